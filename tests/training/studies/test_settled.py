"""A study is of one manifest, one number of folds and of draws: a start with others says so and changes nothing."""

from pathlib import Path
from types import ModuleType

import pytest

from svc.errors import InvalidRequestError
from training import study_fairness, study_folds, study_sweep
from training.studies.settled import check_settled, settle
from training.studies.study_command import StudyPlan
from training.study_folds import FoldRun

HEAD = "training/configs/verifier/campplus-head.toml"
STUDIES = [
    (study_fairness, []),
    (study_sweep, ["--sweep", "fairness.reweighting.rate=0.1"]),
    (study_folds, ["--folds", "2"]),
]
every_study = pytest.mark.parametrize(("study", "own"), STUDIES, ids=lambda of: getattr(of, "__name__", ""))


@pytest.fixture
def words(corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of any study's command, which here hears nothing."""
    monkeypatch.setattr("training.study_folds.open_lists", lambda folds, options: None)
    return [HEAD, "--out", str(tmp_path / "out"), "--root", str(corpus_root)]


@every_study
def test_a_study_goes_on_with_the_draws_it_began_with(study: ModuleType, own: list[str], words: list[str]) -> None:
    for _ in range(2):
        study.plan_of(study.parsed([*words, *own])).prepare()
    with pytest.raises(InvalidRequestError, match="replicas 500, not 200: go on with that, or give another --out"):
        study.plan_of(study.parsed([*words, *own, "--replicas", "200"])).prepare()


@every_study
def test_a_study_goes_on_with_the_people_it_began_with(
    study: ModuleType, own: list[str], words: list[str], corpus_root: Path, tmp_path: Path
) -> None:
    study.plan_of(study.parsed([*words, *own])).prepare()
    manifest = (corpus_root / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(manifest.replace("saa:0", "saa:9"))
    with pytest.raises(InvalidRequestError, match="a study of manifest"):
        study.plan_of(study.parsed([*words, *own, "--root", str(tmp_path)])).prepare()


def test_nobody_tested_in_a_fold_is_learnt_from_by_a_fold_of_another_number(words: list[str]) -> None:
    def plan_of(folds: int) -> StudyPlan[FoldRun]:
        return study_folds.plan_of(study_folds.parsed([*words, "--folds", str(folds)]))

    plan_of(3).prepare()
    for again in (plan_of(2).prepare, plan_of(2).table):
        with pytest.raises(InvalidRequestError, match="a study of folds 3, not 2"):
            again()
    assert plan_of(3).table() == "no finished run yet"


def test_what_is_noted_is_not_written_again_and_a_check_writes_nothing(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    check_settled(note, {"folds": 3})
    assert not note.exists()
    settle(note, {"folds": 3})
    noted = note.stat().st_mtime_ns
    settle(note, {"folds": 3})
    assert note.stat().st_mtime_ns == noted
