"""The report: the right figures, units and groups, and nothing hidden."""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from svc.errors import InvalidRequestError
from tests.training.conftest import RATE_HZ, voice
from tests.training.toy_system import SpectrumEmbedder, spectrum_system
from training.audit import Deployed, Material, audit
from training.data.score_list import read_scores
from training.data.segments import SegmentReader
from training.data.trial_list import Trial, TrialList, collect_trials, read_trials
from training.data.trials import make_trials
from training.evaluate import Attributes, Evaluation, Identity, Settings, Threshold, evaluate, judge
from training.evaluation_files import write_report
from training.fairness.groups import People
from training.group_tables import caution_lines, group_table
from training.metrics.verification import cllr, equal_error_rate
from training.report_page.page import render_page
from training.tables import TITLES, overall_table

SETTINGS = Settings(seed=1, replicas=30)


def evaluated(trials: TrialList, root: Path) -> Evaluation:
    return evaluate(trials, spectrum_system(SpectrumEmbedder()), SegmentReader(root), settings=SETTINGS)


def listed(*rows: tuple[str, str, bool]) -> TrialList:
    trials = [Trial(enrolment=one, test=other, target=target) for one, other, target in rows]
    return collect_trials((f"t.csv:{line}", trial) for line, trial in enumerate(trials, start=2))


@pytest.fixture(scope="module")
def evaluation(corpus_root: Path) -> Evaluation:
    return evaluated(make_trials("hyke", root=corpus_root), corpus_root)


def test_report_holds_the_measures_of_its_own_scores(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    targets = [float(row["llr"]) for row in rows if row["target"] == "1"]
    nontargets = [float(row["llr"]) for row in rows if row["target"] == "0"]
    overall = report["overall"]
    assert 0 < overall["eer"]["value"] < 0.5
    assert overall["eer"]["value"] == pytest.approx(equal_error_rate(targets, nontargets), abs=1e-4)
    assert overall["cllr"]["value"] == pytest.approx(cllr(targets, nontargets), abs=1e-4)
    assert (overall["n_target"], overall["n_nontarget"], overall["n_speakers"]) == (len(targets), len(nontargets), 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "scores.csv"]


def test_scores_of_a_list_that_has_another_systems_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_text("enrolment,test,target,score,llr,refused\na,b,1,-9,-9,1\na,c,0,9,9,0\n")
    llrs = np.array([2.5, -2.5])
    write_report(judge(read_trials(path), llrs, Identity(name="own", calibrated=True), settings=SETTINGS), tmp_path)
    assert read_scores(tmp_path / "scores.csv").scores.tolist() == llrs.tolist()
    assert (tmp_path / "scores.csv").read_text().splitlines()[0] == "enrolment,test,target,score,llr"


def test_every_measure_has_an_interval_around_it(evaluation: Evaluation) -> None:
    overall = evaluation.as_json()["overall"]
    for name in ("eer", "min_dcf_01", "min_dcf_05", "cllr", "min_cllr"):
        low, high = overall[name]["ci95"]
        assert low <= high
        assert overall[name]["value"] >= 0


def test_groups_have_the_same_form_and_add_up(evaluation: Evaluation) -> None:
    report = evaluation.as_json()
    by_sex = report["by_group"]["sex"]
    assert by_sex.keys() == {"female", "male"}
    assert by_sex["male"].keys() == report["overall"].keys()
    assert sum(group["n_nontarget"] for group in by_sex.values()) == report["overall"]["n_nontarget"]
    assert by_sex["male"]["n_speakers"] == 3
    assert by_sex["male"]["too_small"] is True


def test_group_of_one_kind_is_there_with_counts_and_no_figures(corpus_root: Path) -> None:
    clips = [f"hyke/0/{clip}.wav" for clip in range(3)]
    rows = [(clips[0], clips[1], True, "a"), (clips[0], clips[2], True, "a"), (clips[1], "hyke/2/0.wav", False, "b")]
    trials = [Trial(enrolment=e, test=t, target=k, groups={"room": g}) for e, t, k, g in rows]
    group = evaluated(collect_trials(("t", trial) for trial in trials), corpus_root).as_json()["by_group"]["room"]["a"]
    assert (group["n_target"], group["n_nontarget"]) == (2, 0)
    assert group["eer"] == {"value": None, "ci95": None}
    assert group["too_small"] is True


def test_without_speakers_files_are_counted(corpus_root: Path) -> None:
    trials = listed(("hyke/0/0.wav", "hyke/0/1.wav", True), ("hyke/0/0.wav", "hyke/2/0.wav", False))
    report = evaluated(trials, corpus_root).as_json()
    assert report["unit"] == "file"
    assert report["overall"]["n_speakers"] == 3


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    """Three voices, and a recording of none."""
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", voice(100 + 40 * number), RATE_HZ)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    return tmp_path


HEARD = (("0.wav", "0.wav", True), ("1.wav", "2.wav", False))
UNHEARD = (("0.wav", "silence.wav", True), ("silence.wav", "2.wav", False))


def at(threshold: float, *rows: tuple[str, str, bool], root: Path, calibrated: bool = True) -> Evaluation:
    given = Threshold(value=threshold, source="given") if calibrated else None
    system = spectrum_system(SpectrumEmbedder(), calibrated=calibrated)
    settings = Settings(replicas=30, threshold=given)
    return evaluate(listed(*rows), system, SegmentReader(root), settings=settings)


def test_trial_with_a_silent_side_is_no_evidence_and_is_told(silence: Path) -> None:
    evaluation = evaluated(listed(*HEARD, *UNHEARD), silence)
    assert evaluation.llrs[2:].tolist() == [0, 0]
    report = evaluation.as_json()
    assert report["sides_without_speech"] == ["silence.wav"]
    assert report["n_trials_refused"] == 2
    told = " ".join(caution_lines(evaluation))
    assert "1 sides have too little speech" in told
    assert "2 trials are refused: no threshold accepts them" in told


@pytest.mark.parametrize("threshold", [0.0, -20.0])
def test_trial_with_a_silent_side_is_accepted_at_no_threshold(threshold: float, silence: Path) -> None:
    without, found = (at(threshold, *rows, root=silence).overall.figures for rows in (HEARD, (*HEARD, *UNHEARD)))
    assert found["fmr"].value == (without["fmr"].value or 0) / 2
    assert found["fnmr"].value == ((without["fnmr"].value or 0) + 1) / 2
    evaluation = at(threshold, *HEARD, *UNHEARD, root=silence)
    targets, nontargets = (evaluation.llrs[evaluation.trials.target == kind] for kind in (True, False))
    assert found["eer"].value == pytest.approx(equal_error_rate(targets, nontargets))
    assert found["cllr"].value == pytest.approx(cllr(targets, nontargets))


def test_the_threshold_where_both_errors_meet_counts_silence_as_they_do(silence: Path) -> None:
    evaluation = at(0.0, *HEARD, *UNHEARD, root=silence, calibrated=False)
    figures = evaluation.overall.figures
    assert evaluation.threshold.value == evaluation.llrs[1], "the stranger's who was heard"
    assert (figures["fmr"].value, figures["fnmr"].value) == (0.5, 0.5)


@pytest.mark.parametrize("threshold", [0.0, -20.0])
def test_scores_it_wrote_are_judged_again_to_the_same_rates(threshold: float, silence: Path) -> None:
    first = at(threshold, *HEARD, *UNHEARD, root=silence)
    write_report(first, silence / "first")
    material = Material(scores=silence / "first" / "scores.csv")
    again = audit(material, deployed=Deployed(threshold=threshold), settings=Settings(replicas=30)).evaluation
    assert again.refused.tolist() == first.refused.tolist() == [False, False, True, True]
    assert again.overall.figures.keys() == first.overall.figures.keys()
    for name, figure in first.overall.figures.items():
        assert again.overall.figures[name].value == pytest.approx(figure.value)
    assert again.as_json()["n_trials_refused"] == 2
    write_report(again, silence / "again")
    assert (silence / "again/scores.csv").read_text().splitlines()[0].endswith(",llr,refused")


def test_where_all_sides_are_heard_nothing_is_said_of_refusals(silence: Path) -> None:
    evaluation = at(0.0, *HEARD, root=silence)
    write_report(evaluation, silence / "out")
    assert "refused" not in (silence / "out/scores.csv").read_text()
    assert "refused" not in (silence / "out/report.json").read_text()
    assert "refused" not in " ".join(caution_lines(evaluation))


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([], "empty"),
        ([("hyke/0/0.wav", "hyke/0/1.wav", True)], "need nontarget"),
        ([("hyke/0/0.wav", "hyke/2/1.wav", False)], "need target"),
    ],
)
def test_one_kind_of_trial_alone_is_refused(rows: list[tuple[str, str, bool]], named: str, corpus_root: Path) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        evaluated(listed(*rows), corpus_root)


def test_a_column_of_names_is_not_taken_for_groups(corpus_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluate.MAX_GROUPS", 1)
    report = evaluated(make_trials("hyke", root=corpus_root), corpus_root).as_json()
    assert report["columns_passed_over"] == ["sex"]
    assert report["by_group"].keys() == {"channels"}


def test_a_group_for_everybody_is_refused_before_anything_is_listened_to(
    corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fairness.groups.MAX_GROUPS", 5)
    trials = make_trials("hyke", root=corpus_root)
    attributes = Attributes(people=People(columns={"name": {unit: unit for unit in trials.units}}), by=("name",))
    system, nothing = spectrum_system(SpectrumEmbedder()), SegmentReader(tmp_path)
    with pytest.raises(InvalidRequestError, match="--by name makes 6 groups, more than 5"):
        evaluate(trials, system, nothing, settings=SETTINGS, attributes=attributes)


def test_tables_fit_eighty_columns_show_every_group_and_mark_small_ones(evaluation: Evaluation) -> None:
    console = Console(width=80, file=StringIO())
    with console.capture() as capture:
        console.print(overall_table(evaluation), *(group_table(evaluation, column) for column in evaluation.by_group))
    text = capture.get()
    assert "…" not in text
    assert all(title in text for title in TITLES.values())
    assert "female *" in text
    assert "* too few speakers" in text


def test_trials_that_stand_twice_or_are_of_one_recording_are_counted_in_the_report() -> None:
    trials = listed(("a", "b", True), ("b", "a", True), ("c", "c", True), ("a", "c", False))
    report = judge(trials, np.zeros(4), Identity(name="x", calibrated=True), settings=SETTINGS).as_json()
    assert (report["n_trials_repeated"], report["n_trials_with_itself"]) == (1, 1)
    page = render_page(report)
    assert "1 trials are of a pair that stands more than once" in page
    assert "1 trials are of a recording with itself" in page
