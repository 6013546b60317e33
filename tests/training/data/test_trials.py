"""Seeded lists: same-sex, capped, across calls, without overlap, the same every time."""

import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from training.data.segments import SegmentReader, parse_segment
from training.data.trial_list import Trial, read_trials
from training.data.trials import EVALUATED, SETS, draw_trials, main, make_trials


@pytest.fixture(
    params=[
        "wuw-cross-session",
        "wuw-same-session",
        "hyke",
        "hyke-degraded",
        "azdigits-degraded",
        "saa-2s-clean",
        "saa-2s-degraded",
    ]
)
def trials(request: pytest.FixtureRequest, corpus_root: Path) -> list[Trial]:
    return draw_trials(request.param, root=corpus_root)


def test_labels_agree_with_speakers_and_sexes(trials: list[Trial]) -> None:
    sex_of = {trial.enrolment_speaker: trial.groups["sex"] for trial in trials}
    for trial in trials:
        assert trial.target == (trial.enrolment_speaker == trial.test_speaker)
        assert sex_of[trial.enrolment_speaker] == sex_of.get(trial.test_speaker, trial.groups["sex"])
        assert trial.enrolment != trial.test


def test_no_pair_is_listed_twice(trials: list[Trial]) -> None:
    assert len({frozenset((trial.enrolment, trial.test)) for trial in trials}) == len(trials)


def test_targets_of_a_speaker_are_capped(trials: list[Trial]) -> None:
    targets = Counter(trial.test_speaker for trial in trials if trial.target)
    assert max(targets.values()) <= max(chosen.targets_per_speaker for chosen in SETS.values())


def test_cross_session_targets_are_of_two_calls(corpus_root: Path) -> None:
    for trial in draw_trials("wuw-cross-session", root=corpus_root):
        calls = [parse_segment(side).pieces[0].path.split("_")[0] for side in (trial.enrolment, trial.test)]
        assert not trial.target or calls[0] != calls[1]


def test_keywords_of_a_call_are_joined_and_sentences_alone(corpus_root: Path) -> None:
    sides = [parse_segment(side) for side in make_trials("wuw-cross-session", root=corpus_root).sides]
    assert Counter(len(side.pieces) for side in sides) == {1: 4 * 2 * 5, 5: 4 * 2}


def test_cuts_of_one_recording_do_not_overlap(corpus_root: Path) -> None:
    sides = [parse_segment(side).pieces[0] for side in make_trials("saa-2s-clean", root=corpus_root).sides]
    spans = sorted((piece.path, piece.span.start_s, piece.span.end_s) for piece in sides if piece.span)
    for (path, _, end_s), (next_path, start_s, _) in pairwise(spans):
        assert path != next_path or end_s <= start_s


def test_a_degraded_call_is_still_a_call(corpus_root: Path, tmp_path: Path) -> None:
    copytree(corpus_root, tmp_path, dirs_exist_ok=True)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("microphone", "telephone"))
    trials = draw_trials("hyke-degraded", root=tmp_path)
    recipes = [parse_segment(trial.test).degradation for trial in trials]
    assert any(recipe and not recipe.telephone for recipe in recipes)
    assert {trial.groups["channels"] for trial in trials} == {"telephone/telephone"}


def test_short_recordings_are_joined_and_none_is_heard_on_two_sides(corpus_root: Path) -> None:
    sides = [parse_segment(side) for side in make_trials("azdigits-degraded", root=corpus_root).sides]
    heard = [piece.path for side in sides for piece in side.pieces]
    assert Counter(len(side.pieces) for side in sides) == {3: 4 * 2}
    assert len(set(heard)) == len(heard)


def test_degraded_and_clean_lists_pair_the_same_cuts(corpus_root: Path) -> None:
    def pairs(name: str) -> list[tuple[object, object]]:
        listed = draw_trials(name, root=corpus_root)
        return [(parse_segment(trial.enrolment).pieces, parse_segment(trial.test).pieces) for trial in listed]

    assert pairs("saa-2s-clean") == pairs("saa-2s-degraded")


def test_each_side_has_a_degradation_of_its_own(corpus_root: Path) -> None:
    recipes = [parse_segment(side).degradation for side in make_trials("saa-2s-degraded", root=corpus_root).sides]
    assert None not in recipes
    noisy = [recipe for recipe in recipes if recipe and recipe.noise]
    assert len(set(noisy)) == len(noisy)


def test_same_seed_same_list_and_another_seed_another(corpus_root: Path) -> None:
    one, same, other = (draw_trials("saa-2s-degraded", seed=seed, root=corpus_root) for seed in (0, 0, 1))
    assert one == same
    assert one != other


@pytest.mark.parametrize(("name", "split"), [("nowhere", "test"), ("hyke", "train"), ("hyke", "exam")])
def test_unknown_set_unknown_split_and_empty_split_are_refused(corpus_root: Path, name: str, split: str) -> None:
    with pytest.raises(InvalidRequestError):
        draw_trials(name, split=split, root=corpus_root)


def test_command_writes_the_list_and_audio_only_when_asked(
    corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["trials", "saa-2s-degraded", "--root", str(corpus_root), "--out", str(tmp_path / "t.csv")]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    described = read_trials(tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--audio-out", str(tmp_path / "audio")])
    main()
    written = read_trials(tmp_path / "t.csv")
    assert len(list((tmp_path / "audio").iterdir())) == len(written.sides)
    one = SegmentReader(corpus_root).read(parse_segment(described.sides[0]))
    two = SegmentReader(tmp_path / "audio").read(parse_segment(written.sides[0]))
    np.testing.assert_allclose(one.samples, two.samples, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVALUATED)
def test_real_sets_have_enough_speakers_and_trials_of_both_kinds(name: str, data_root: Path) -> None:
    trials = make_trials(name, root=data_root)
    assert len(set(trials.units)) >= 18
    assert trials.target.sum() >= 250
    assert (~trials.target).sum() >= 2500
