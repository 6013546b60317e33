"""`python -m training.calibrate --policy`: a threshold within limits, what it costs, plain words when there is none."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from svc.errors import InvalidRequestError
from svc.scoring.policy_file import load_policy
from tests.training.test_cli_groups import TRIALS, scored
from training import calibrate
from training.audit import Groups, Material
from training.choose_policy import Chosen, Request, choose_policy
from training.cli import evaluate_app
from training.evaluate import Settings
from training.fairness.limits import Limits
from training.policy_tables import levelled_down

LIMITS = "max_fnmr_ratio = 1.25\nmax_worst_fmr = 0.3\n"


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """A system that is worse for green people, and the table of who is."""
    rows = [f"{person},{('blue', 'green')[int(person) % 2]}" for person in sorted({*TRIALS.units})]
    (tmp_path / "people.csv").write_text("\n".join(["speaker,colour", *rows]) + "\n")
    return Material(scores=scored(tmp_path / "s.csv", column="llr"))


def chosen(material: Material, tmp_path: Path, limits: Limits) -> Chosen:
    groups = Groups(people=tmp_path / "people.csv", by=("colour",))
    return choose_policy(Request(name="door", limits=limits), material, groups, Settings(replicas=40))


def run(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, limits: str = LIMITS) -> int | str:
    """Exit status of the command with a request for these limits, or the message it ends with."""
    (tmp_path / "request.toml").write_text(f'name = "door"\ncost_false_accept = 2.0\n[limits]\n{limits}')
    given = ["--policy", str(tmp_path / "request.toml"), "--out", str(tmp_path / "door.toml"), "--by", "colour"]
    people = ["--people", str(tmp_path / "people.csv"), "--replicas", "20"]
    monkeypatch.setattr("sys.argv", ["calibrate", *given, *people, *arguments.split()])
    monkeypatch.setenv("COLUMNS", "160")
    try:
        calibrate.main()
    except SystemExit as end:
        return end.code or 0
    return 0


def test_what_is_promised_is_what_the_evaluator_measures(material: Material, tmp_path: Path) -> None:
    answer = chosen(material, tmp_path, Limits(max_worst_fnmr=0.2, max_fmr_difference=0.3, max_fnmr_ratio=3.0))
    point, result = answer.choice.best, answer.best.disaggregated["colour"]
    assert answer.best.threshold.value == point.threshold
    assert answer.best.overall.figures["fmr"].value == point.fmr
    assert (
        max(group.figures["fnmr"].value or 0 for group in result.by_group.values())
        == point.values["colour", "max_worst_fnmr"]
    )
    assert result.gaps["fmr"].widest.difference.value == point.values["colour", "max_fmr_difference"]
    assert result.gaps["fnmr"].ratio.value == point.values["colour", "max_fnmr_ratio"]


@pytest.mark.parametrize("band", [0.5, float("nan")])
def test_a_band_in_which_nothing_is_decided_has_no_limits(band: float) -> None:
    with pytest.raises(InvalidRequestError, match="leave it out, for people") as raised:
        Request(name="door", inconclusive_band=band)
    assert raised.value.field == "inconclusive_band"


def test_what_was_refused_is_a_miss_at_every_threshold(material: Material, tmp_path: Path) -> None:
    assert material.scores is not None
    head, *rows = material.scores.read_text().splitlines()
    refused = [f"{row},{number % 10 == 0:d}" for number, row in enumerate(rows)]
    material.scores.write_text("\n".join([f"{head},refused", *refused]) + "\n")
    answer = chosen(material, tmp_path, Limits())
    point, figures = answer.choice.best, answer.best.overall.figures
    assert (figures["fmr"].value, figures["fnmr"].value) == (point.fmr, point.fnmr)
    evaluation = answer.best
    assert point.fnmr >= evaluation.refused[evaluation.trials.target].mean() > 0
    others = chosen(replace(material, scores=scored(tmp_path / "s.csv", column="llr")), tmp_path, Limits())
    assert point.cost > others.choice.best.cost


def test_limits_have_a_price_with_an_interval(material: Material, tmp_path: Path) -> None:
    free, bound = (chosen(material, tmp_path, limits) for limits in (Limits(), Limits(max_worst_fmr=0.02)))
    assert free.price().value == 0
    price = bound.price()
    assert price.value is not None
    assert price.value > 0
    assert price.ci95 is not None
    assert 0 < (bound.kept() or 0) < 1


def test_equality_by_serving_everybody_worse_is_called_so(material: Material, tmp_path: Path) -> None:
    down = chosen(material, tmp_path, Limits(max_fnmr_ratio=1.25, max_worst_fmr=0.1))
    assert "by colour the worst-served group's rate rose from" in " ".join(levelled_down(down))
    moved_by_another = chosen(material, tmp_path, Limits(max_fnmr_ratio=50.0, max_worst_fmr=0.02))
    assert not list(levelled_down(moved_by_another))


def test_a_policy_is_written_that_the_service_and_the_evaluator_read(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"--scores {material.scores} --calibration-id cal-1", tmp_path, monkeypatch) == 0
    text = capsys.readouterr().out
    assert "the limits cost" in text
    assert "FNMR ratio by colour" in text
    file, card = load_policy(tmp_path / "door.toml"), tomllib.loads((tmp_path / "door.toml").read_text())
    file.check_calibration("cal-1")
    assert card["about"]["figures"]["FNMR ratio by colour"] <= 1.25
    assert card["about"]["groups"] == {"colour": ["blue", "green"]}
    (tmp_path / "server.toml").write_text(f"[verification]\npolicies = ['{tmp_path}/door.toml']\n")
    arguments = (
        f"verification --scores {material.scores} --config {tmp_path}/server.toml --policy door --replicas 5 --json"
    )
    answer = CliRunner().invoke(evaluate_app, [*arguments.split(), "--out", str(tmp_path / "out")])
    assert f'"source": "policy {file.policy.policy_id}"' in answer.stdout


def test_what_cannot_be_done_is_said_with_the_nearest_that_can(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = "max_worst_fmr = 0.01\nmax_worst_fnmr = 0.01\n"
    arguments = f"--scores {material.scores} --calibration-id cal-1"
    assert run(arguments, tmp_path, monkeypatch, limits=limits) == calibrate.INFEASIBLE
    text = capsys.readouterr().out
    assert "no threshold keeps all limits" in text
    assert "limit 1.00 %" in text
    assert "nearest" in text
    assert not (tmp_path / "door.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "limits", "named"),
    [
        ("--scores {scores}", LIMITS, "give --calibration-id"),
        ("--scores {plain} --calibration-id c", LIMITS, "column llr"),
        ("--scores {scores}", "max_fnmr_ratio = 0.5\n", "max_fnmr_ratio must be at least 1"),
        ("--scores {scores}", "max_eer = 0.5\n", "unknown key limits.max_eer"),
        ("--scores {scores} --by shoe", LIMITS, "there are colour"),
    ],
)
def test_mistakes_name_the_remedy(
    arguments: str, limits: str, named: str, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {"scores": material.scores, "plain": scored(tmp_path / "plain.csv")}
    assert named in str(run(arguments.format(**paths), tmp_path, monkeypatch, limits=limits))
    assert not (tmp_path / "door.toml").exists()


@pytest.mark.parametrize("name", ["strict", "Door", "", "a b"])
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="must be of a-z"):
        Request(name=name)
