"""How runs of the ablation study are judged, on tokens made by hand."""

from dataclasses import asdict
from pathlib import Path

import pytest

from svc.backends.protocols import Emission
from svc.units import END_OF_TURN, START_OF_TURN, WORD_START, Units
from tests.training.metrics.conversations import turn
from training.report_json import write_json
from training.studies.ablation_scores import (
    PAUSES_S,
    ConversationScore,
    Heard,
    RunScores,
    best_pause_s,
    read_scores,
    score,
    turns_of,
)

UNITS = Units((f"{WORD_START}yes", f"{WORD_START}no"))
YES, NO = UNITS.ids().values()
FRAME_S, DELAY_S = 0.04, 0.08


def heard(*tokens: tuple[int, int], turns: int = 2) -> Heard:
    """(token, frame) on channel 0 of 5 seconds, of which so many turns of a word are the truth."""
    return Heard(
        reference=tuple(turn("yes", 1.0 + number, 1.6 + number) for number in range(turns)),
        emissions=(tuple(Emission(*token) for token in tokens), ()),
        num_frames=125,
        frame_s=FRAME_S,
        delay_s=DELAY_S,
    )


TWO_TURNS = heard((START_OF_TURN, 27), (YES, 39), (END_OF_TURN, 41), (START_OF_TURN, 51), (NO, 64), (END_OF_TURN, 66))


def test_tokens_make_turns_at_the_time_they_come_out() -> None:
    first, second = turns_of(TWO_TURNS, UNITS)
    assert [word.text for word in (*first.words, *second.words)] == ["yes", "no"]
    assert first.started_at_s == pytest.approx(28 * FRAME_S + DELAY_S)
    assert first.ended_at_s == pytest.approx(42 * FRAME_S + DELAY_S)


@pytest.mark.parametrize(("pause_s", "turns"), [(0.9, 2), (1.1, 1)])
def test_by_pauses_tokens_are_nothing_and_the_gap_of_a_second_decides(pause_s: float, turns: int) -> None:
    assert len(turns_of(TWO_TURNS, UNITS, pause_s=pause_s)) == turns


def test_the_pause_is_the_one_that_counts_best() -> None:
    assert best_pause_s([TWO_TURNS], UNITS) == PAUSES_S[0]
    one_turn = heard((YES, 39), (NO, 64), turns=1)
    assert best_pause_s([one_turn, one_turn, TWO_TURNS], UNITS) == 1.0


@pytest.mark.parametrize("turn_tokens", [True, False])
def test_a_conversation_is_counted_by_tokens_or_by_pauses(turn_tokens: bool) -> None:
    found = score("a", TWO_TURNS, UNITS, pause_s=2.0, turn_tokens=turn_tokens)
    assert (found.words, found.errors, found.turns, found.turns_by_pauses) == (2, 1, 2, 1)
    assert found.turns_found == (2 if turn_tokens else 1)
    if turn_tokens:
        assert found.start_delays_s == pytest.approx((28 * FRAME_S + DELAY_S - 1.0, 52 * FRAME_S + DELAY_S - 2.0))
        assert found.end_delays_s == pytest.approx((42 * FRAME_S + DELAY_S - 1.6, 67 * FRAME_S + DELAY_S - 2.6))


def test_silence_is_scored_as_all_words_lost() -> None:
    found = score("a", heard(), UNITS, pause_s=1.0, turn_tokens=True)
    assert (found.errors, found.turns_found, found.end_delays_s) == (found.words, 0, ())


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    row = ConversationScore(
        uri="a",
        words=3,
        errors=1,
        turns=2,
        turns_found=2,
        turns_by_pauses=1,
        start_delays_s=(0.1,),
        end_delays_s=(-0.2, 0.3),
    )
    scores = RunScores(steps=7, pause_s=0.8, conversations=(row,))
    assert read_scores(tmp_path / "scores.json") is None
    write_json(tmp_path / "scores.json", asdict(scores))
    assert read_scores(tmp_path / "scores.json") == scores
