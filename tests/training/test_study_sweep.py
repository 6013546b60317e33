"""Sweeps: one setting at a time, on dev talkers alone, beside the recipe as it stands."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.toy_fairness_study import WHOLE, toy_bench
from training.data.manifest import DEV, TEST
from training.embedder_recipe import read_recipe
from training.studies.study_arms import ARMS, arm_runs
from training.studies.study_run import do
from training.study_sweep import AS_IT_STANDS, Variation, main, parsed, table, variations, varied

pytestmark = pytest.mark.slow  # whole studies

HEAD = Path("training/configs/verifier/campplus-head.toml")
RATE, COUNT = "fairness.reweighting.rate", "fairness.reweighting.regions.count"


def test_one_setting_changes_and_all_else_is_the_recipes() -> None:
    whole, changed = read_recipe(HEAD), varied(HEAD, COUNT, "4")
    reweighting = changed.fairness.reweighting
    assert reweighting.regions.count == 4
    regions = whole.fairness.reweighting.regions
    back = replace(changed.fairness, reweighting=replace(reweighting, regions=regions))
    assert replace(changed, fairness=back) == whole


def test_settings_are_tried_one_at_a_time_beside_the_recipe_as_it_stands() -> None:
    chosen = variations(HEAD, [f"{RATE}=0.01,0.05", f"{COUNT}=4"], ["pw", "pl"], [0, 1])
    titles = [AS_IT_STANDS, f"{RATE} = 0.01", f"{COUNT} = 4"]
    assert [(of.arm, of.title) for of in chosen] == [(arm, title) for arm in ("pw", "pl") for title in titles]
    names = {run.name for of in chosen for run in of.runs}
    assert len(names) == 2 * 2 * len(titles)


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        ("fairness.rate=1", "unknown key fairness.rate"),
        (f"{RATE}=fast", "rate = fast"),
        (f"{RATE}=0", "rate must be positive"),
        (RATE, "write KEY=VALUE"),
    ],
)
def test_what_no_recipe_has_is_named(sweep: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        variations(HEAD, [sweep], ["pw"], [0])


@pytest.mark.parametrize(
    ("key", "value", "method"),
    [
        ("loss.pairs", '"binary"', "pw"),
        ("fairness.method", '"pl"', "pw"),
        ("seed", "3", "pw"),
        ("fairness.reweighting.regions.feature", '"distances"', "pw-blind"),
    ],
)
def test_what_a_method_or_a_seed_says_itself_is_no_other_setting(key: str, value: str, method: str) -> None:
    with pytest.raises(ValueError, match=f"{key} = {value}: --methods {method} and --seeds say that themselves"):
        variations(HEAD, [f"{key}={value}"], [method], [0, 1])


def test_the_table_compares_each_value_with_the_recipe_as_it_stands(tmp_path: Path) -> None:
    bench = toy_bench(tmp_path)
    bench = replace(bench, lists={DEV: bench.lists[DEV], TEST: bench.lists[DEV]})
    faster = replace(WHOLE, optimiser=replace(WHOLE.optimiser, learning_rate=0.1))
    chosen = [
        Variation(title=title, arm="pw", runs=tuple(arm_runs(recipe, [ARMS["pw"]], [0])))
        for title, recipe in ((AS_IT_STANDS, WHOLE), ("faster", faster))
    ]
    assert table(chosen, tmp_path) == "no finished run yet"
    for variation in chosen:
        do(variation.runs[0], bench)
    rows = table(chosen, tmp_path).splitlines()[2:]
    assert rows[0].startswith(f"| PW, weights in the softmax | {AS_IT_STANDS} | 1 |")
    assert rows[1].startswith("| PW, weights in the softmax | `faster` | 1 |")


def test_the_table_needs_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(HEAD), "--out", str(tmp_path), "--sweep", f"{RATE}=0.5", "--table"])
    assert ended.value.code == 0
    assert "no finished run yet" in capsys.readouterr().out


def test_a_sweep_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed([str(HEAD), "--out", "o"])
    assert "--sweep" in capsys.readouterr().err
