"""The command that finds cohorts, on a folder of made-up people."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.data.manifests import write_manifest
from tests.training.fairness.cohorts.heard_people import lines, names, voices, worse_quarter
from tests.training.fairness.cohorts.toy_discovery import of_two_cohorts, one_man_in_forty, women_alone
from training.cohort_tables import summary_table
from training.discover_cohorts import main
from training.embed_speakers import Voices, write_voices
from training.fairness.cohorts.cohort import read_cohorts
from training.utterance_errors import append_errors

COUNTRIES = ("kenya", "usa", "japan", "chile")
FAST = ("--replicas", "50", "--deals", "9", "--splits", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """errors.jsonl, voices.npz and manifest.csv of 80 people, the Kenyans of whom are misheard."""
    path = tmp_path_factory.mktemp("people")
    append_errors(path / "errors.jsonl", lines(worse_quarter))
    write_voices(path / "voices.npz", Voices(voices(), "e" * 16))
    fixed = {"corpus": "c", "split": "test", "sample_rate_hz": 16_000, "duration_s": 1}
    rows = (
        {"path": name, "speaker": name, "country": COUNTRIES[number % 4], "sex": ("", "male")[number % 2]}
        for number, name in enumerate(names(80))
    )
    write_manifest(path, (fixed | row for row in rows))
    return path


def run(folder: Path, out: Path, *more: str) -> None:
    files = ("--errors", str(folder / "errors.jsonl"), "--voices", str(folder / "voices.npz"), "--root", str(folder))
    main([*files, "--out", str(out), *FAST, *more])


def test_every_kind_leaves_its_cohorts_and_the_reports(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("--by", "embedding", "--by", "country", "--by", "region-tree", "--clusters", "4")
    run(folder, tmp_path, *kinds)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [ranking["kind"] for ranking in report["rankings"]] == ["embedding-4", "country", "region-tree"]
    worst = {ranking["kind"]: ranking["cohorts"][0]["name"] for ranking in report["rankings"]}
    assert worst["country"] == "Kenya"
    cohorts = read_cohorts(tmp_path / "cohorts" / "embedding-4.json")
    assert cohorts.centroids is not None
    (of_worst,) = [cohort for cohort in cohorts if cohort.name == worst["embedding-4"]]
    assert {*of_worst.speakers} == {name for number, name in enumerate(names(80)) if number % 4 == 0}
    assert cohorts.drawn_by == ()
    assert read_cohorts(tmp_path / "cohorts" / "region-tree.json").drawn_by == tuple(names(80))
    assert capsys.readouterr().out == (tmp_path / "report.md").read_text() + "\n"


def test_two_systems_are_compared_on_the_cohorts_of_the_first(folder: Path, tmp_path: Path) -> None:
    append_errors(tmp_path / "mended.jsonl", lines(lambda _: 0.1, seed=1))
    files = ("--errors", str(tmp_path / "mended.jsonl"), "--before", str(folder / "errors.jsonl"))
    run(folder, tmp_path, "--by", "country", *files)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["system"], report["before"]) == ("mended", "errors")
    (ranking,) = report["rankings"]
    assert ranking["changes"]["worst"] == "Kenya"
    assert ranking["changes"]["of_worst"]["ci95"][1] < 0


@pytest.mark.parametrize(
    ("wer_of", "told"), [(women_alone, r"\| no bound \| .* \| no bound \|"), (one_man_in_forty, r"\[\d+, no bound\]")]
)
def test_a_gap_without_bound_is_called_so(wer_of: Callable[[int], float], told: str) -> None:
    table = summary_table(of_two_cohorts(wer_of))
    assert re.search(told, table)
    assert "inf" not in table


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--by", "shoe"), "nothing is known of 'shoe'"),
        (("--by", "sex", "--domains", "digits"), "holds no utterance of digits"),
        (("--by", "embedding", "--voices", "gone.npz"), "no voices of speakers"),
    ],
)
def test_mistakes_end_with_a_message(folder: Path, tmp_path: Path, more: tuple[str, ...], told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        run(folder, tmp_path, *more)
