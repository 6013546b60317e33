"""The study of whether the audit can be believed, on people made of noise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fairness.scored_people import llrs_of, trials_of
from tests.training.toy_system import SpectrumEmbedder, spectrum_system
from training.audit_shipped import shipped_people
from training.data.manifest import read_manifest
from training.data.segments import SegmentReader, parse_segment
from training.data.trials import draw_trials
from training.evaluate import Identity, Settings
from training.fairness.groups import COUNTRY, SEX
from training.study_sanity import (
    Answers,
    Claims,
    Listened,
    claims_by_chance,
    harmed_halves,
    known_of,
    listen,
    main,
    planted_row,
    report,
    shuffled,
)

pytestmark = pytest.mark.slow  # whole studies

NUM_PEOPLE = 40
SEXES = {str(number): ("female", "male")[number % 2] for number in range(NUM_PEOPLE)}
SETTINGS = Settings(replicas=100)


@pytest.fixture(scope="module")
def listened() -> Listened:
    """Whoever is harmed loses 2.5 of LLR on targets, and gains as much on others."""
    trials = trials_of(NUM_PEOPLE, clips=3)
    llrs, nothing = llrs_of(trials, seed=0), np.zeros(len(trials), bool)
    return Listened(
        trials=trials,
        as_drawn=Answers(llrs=llrs, refused=nothing),
        harmed=Answers(llrs=llrs + np.where(trials.target, -2.5, 2.5), refused=nothing),
        system=Identity(name="noise", calibrated=True),
    )


def test_groups_by_lot_are_seldom_said_to_differ(listened: Listened) -> None:
    claims = claims_by_chance(listened, {SEX: SEXES}, shuffles=30, settings=SETTINGS)[SEX]
    assert claims.shuffles == 30
    assert max(claims.sure.values()) <= 5


def test_half_the_talkers_harmed_are_found(listened: Listened) -> None:
    ((told, whom),) = harmed_halves(sorted(SEXES), [3])
    row = planted_row(listened, told, whom, SETTINGS)
    assert row[0] == "half of the talkers, seed 3"
    assert all(cell.endswith("sure, worse for harmed") and "not" not in cell for cell in row[3:])


def test_nobody_harmed_is_not_found(listened: Listened) -> None:
    same = replace(listened, harmed=listened.as_drawn)
    ((told, whom),) = harmed_halves(sorted(SEXES), [3])
    assert all(cell.endswith("not sure") for cell in planted_row(same, told, whom, SETTINGS)[3:])


def test_a_shuffle_deals_the_same_values_and_keeps_those_of_one_talker_together() -> None:
    columns = {SEX: {"a": "f", "b": "m", "c": "f"}, COUNTRY: {"a": "x", "b": "y", "c": "z"}}
    dealt = shuffled(columns, seed=1)
    pairs = {(dealt[SEX][talker], dealt[COUNTRY][talker]) for talker in "abc"}
    assert pairs == {("f", "x"), ("m", "y"), ("f", "z")}
    assert len({str(shuffled(columns, seed=seed)) for seed in range(20)}) > 1


def test_harm_is_done_on_the_test_side_alone(listened: Listened) -> None:
    deaf = replace(listened.harmed, refused=np.ones(len(listened.trials), bool))
    planted = replace(listened, harmed=deaf).planted(frozenset({"7"}))
    touched = planted.llrs != listened.as_drawn.llrs
    units = np.array(listened.trials.units)
    assert (touched == (units[listened.trials.test] == "7")).all()
    assert (planted.refused == touched).all()


def test_harm_that_leaves_too_little_speech_is_a_miss_and_no_false_match(listened: Listened) -> None:
    deaf = Answers(llrs=np.zeros(len(listened.trials)), refused=np.ones(len(listened.trials), bool))
    told = dict.fromkeys(SEXES, "everybody")
    figures = listened.judged(deaf, {"condition": told}, SETTINGS).overall.figures
    assert (figures["fmr"].value, figures["fnmr"].value) == (0, 1)


def test_real_recordings_are_heard_as_drawn_and_harmed(corpus_root: Path, tmp_path: Path) -> None:
    trials = draw_trials("saa-2s-degraded", root=corpus_root)
    noises = [clip for clip in read_manifest(corpus_root / "manifest.csv") if clip.corpus == "noise"]
    system, reader = spectrum_system(SpectrumEmbedder()), SegmentReader(corpus_root)
    found = listen(trials, system, reader, noises=noises, snr_db=0, voices=tmp_path)
    assert {len(found.trials), len(found.as_drawn.llrs), len(found.harmed.refused)} == {len(trials)}
    assert not np.allclose(found.as_drawn.llrs, found.harmed.llrs)
    assert all(parse_segment(side).degradation for side in found.trials.sides)


def test_the_report_tells_of_every_table(listened: Listened) -> None:
    told = report(listened, {SEX: SEXES}, shuffles=2, seeds=[0], settings=SETTINGS)
    for words in ("sex, shuffled | 2", "sex, as recorded", "half of the talkers, seed 0", "all of sex male"):
        assert words in told


def test_of_an_unknown_column_nothing_is_asked(corpus_root: Path) -> None:
    people = shipped_people(read_manifest(corpus_root / "manifest.csv"))
    assert known_of(trials_of(3), people) == {}


def test_claims_are_told_with_how_sure_they_are() -> None:
    assert Claims(shuffles=200, sure={"fmr": 10}).text("fmr") == "10: 5.0 % [2.4, 9.0]"


@pytest.mark.parametrize("wrong", [["--set", "none"], ["--shuffles", "0"], ["--seeds", "a"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
    assert "error:" in capsys.readouterr().err
