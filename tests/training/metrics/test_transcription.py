"""Word errors against brute force over assignments and edit paths; turns and delays against what was put in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.metrics.conversations import WORDS, conversations, texts, turn
from training.data.transcripts import Transcript, TranscriptTurn, TranscriptWord, in_order
from training.metrics import transcription
from training.metrics.bootstrap import Figure
from training.metrics.transcription import (
    Delays,
    TranscriptionErrors,
    WordErrors,
    delay_percentile,
    matched_turns,
    median_distance,
    share_early,
    transcription_errors,
)
from training.metrics.word_alignment import word_distance, word_pairs

Edits = Callable[[Sequence[TranscriptWord], Sequence[TranscriptWord]], int]


def edits_within(collar_s: float) -> Edits:
    """Levenshtein by plain recursion; a hypothesis word, at its middle, may only stand for a word within the collar."""

    def edits(reference: Sequence[TranscriptWord], hypothesis: Sequence[TranscriptWord]) -> int:
        @cache
        def cost(r: int, h: int) -> int:
            if r == len(reference) or h == len(hypothesis):
                return len(reference) - r + len(hypothesis) - h
            true, found = reference[r], hypothesis[h]
            ways = [1 + cost(r + 1, h), 1 + cost(r, h + 1)]
            if true.start_s - collar_s < (found.start_s + found.end_s) / 2 < true.end_s + collar_s:
                ways.append((true.text != found.text) + cost(r + 1, h + 1))
            return min(ways)

        return cost(0, 0)

    return edits


edits = edits_within(float("inf"))


def words_of(turns: Sequence[TranscriptTurn]) -> list[TranscriptWord]:
    return [word for one in turns for word in one.words]


def brute_force_orc(reference: Transcript, hypothesis: Transcript) -> int:
    def errors(channels: Sequence[int]) -> int:
        return sum(
            edits(
                words_of([one for one, channel in zip(reference, channels, strict=True) if channel == c]),
                words_of([one for one in hypothesis if one.channel == c]),
            )
            for c in (0, 1)
        )

    return min(errors(channels) for channels in product((0, 1), repeat=len(reference)))


def brute_force_cp(reference: Transcript, hypothesis: Transcript, edits: Edits) -> int:
    names = [sorted({one.speaker for one in turns}) for turns in (reference, hypothesis)]
    size = max(map(len, names))
    true, found = ([*some, *[""] * (size - len(some))] for some in names)
    said = {name: words_of([one for one in reference if one.speaker == name]) for name in true}
    heard = {name: words_of([one for one in hypothesis if one.speaker == name]) for name in found}
    return min(
        sum(edits(said[name], heard[other]) for name, other in zip(true, order, strict=True))
        for order in permutations(found)
    )


@settings(max_examples=60)
@given(conversations(), conversations())
def test_orc_is_the_best_of_all_assignments_of_turns_to_channels(reference: Transcript, hypothesis: Transcript) -> None:
    assert transcription_errors(reference, hypothesis).orc.errors == brute_force_orc(reference, hypothesis)


@settings(max_examples=60)
@given(conversations(), conversations())
def test_cp_is_the_best_of_all_mappings_of_speakers(reference: Transcript, hypothesis: Transcript) -> None:
    assert transcription_errors(reference, hypothesis).cp.errors == brute_force_cp(reference, hypothesis, edits)


@settings(max_examples=60)
@given(conversations(), conversations(), st.sampled_from([0.05, 0.5, 2.0, 50.0]))
def test_tcp_matches_only_words_within_the_collar(
    reference: Transcript, hypothesis: Transcript, collar_s: float
) -> None:
    errors = transcription_errors(reference, hypothesis, collar_s=collar_s).tcp.errors
    assert errors == brute_force_cp(reference, hypothesis, edits_within(collar_s))


@settings(max_examples=100)
@given(st.lists(st.sampled_from(WORDS), max_size=6), st.lists(st.sampled_from(WORDS), max_size=6))
def test_alignment_is_in_order_complete_and_the_cheapest(reference: list[str], hypothesis: list[str]) -> None:
    pairs = word_pairs(reference, hypothesis)
    assert [r for r, _ in pairs if r is not None] == list(range(len(reference)))
    assert [h for _, h in pairs if h is not None] == list(range(len(hypothesis)))
    cost = sum(r is None or h is None or reference[r] != hypothesis[h] for r, h in pairs)
    assert cost == edits(words_of([turn(" ".join(reference), 0, 1)]), words_of([turn(" ".join(hypothesis), 0, 1)]))
    assert cost == word_distance(reference, hypothesis)


@settings(max_examples=100)
@given(st.data(), st.lists(st.sampled_from(WORDS), max_size=4), st.lists(st.sampled_from(WORDS), max_size=4))
def test_of_alignments_as_cheap_the_nearest_is_taken(
    data: st.DataObject, reference: list[str], hypothesis: list[str]
) -> None:
    far = st.lists(st.integers(0, 9), min_size=len(hypothesis), max_size=len(hypothesis))
    rows = data.draw(st.lists(far, min_size=len(reference), max_size=len(reference)))
    apart = np.array(rows, np.int64).reshape(len(reference), len(hypothesis))

    @cache
    def best(r: int, h: int) -> tuple[int, int]:
        """Edits and distance of what is left from there."""
        if r == len(reference) or h == len(hypothesis):
            return len(reference) - r + len(hypothesis) - h, 0
        ways = [(1, 0, best(r + 1, h)), (1, 0, best(r, h + 1))]
        ways.append((int(reference[r] != hypothesis[h]), int(apart[r, h]), best(r + 1, h + 1)))
        return min((edits + rest[0], distance + rest[1]) for edits, distance, rest in ways)

    pairs = word_pairs(reference, hypothesis, apart=apart)
    edits = sum(r is None or h is None or reference[r] != hypothesis[h] for r, h in pairs)
    assert (edits, sum(apart[r, h] for r, h in pairs if r is not None and h is not None)) == best(0, 0)


@settings(max_examples=30)
@given(conversations(), conversations())
def test_every_rate_counts_the_references_words(reference: Transcript, hypothesis: Transcript) -> None:
    errors = transcription_errors(reference, hypothesis)
    assert {errors.orc.words, errors.cp.words, errors.tcp.words} == {len(texts(reference))}
    assert errors.cp.errors <= errors.tcp.errors


@settings(max_examples=40)
@given(conversations(), conversations())
def test_orc_of_too_many_words_is_an_upper_bound_and_counted_so(reference: Transcript, hypothesis: Transcript) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcription, "MAX_ORC_STEPS", -1)
        bound = transcription_errors(reference, hypothesis)
    exact = transcription_errors(reference, hypothesis)
    assert (bound.orc_bounds, exact.orc_bounds) == (1, 0)
    assert exact.orc.errors <= bound.orc.errors <= len(texts(reference)) + len(texts(hypothesis))
    assert bound.orc.words == exact.orc.words


def test_a_diverged_model_is_scored_within_seconds(caplog: pytest.LogCaptureFixture) -> None:
    reference = [turn("a b c b a c", 2.0 * place, 2.0 * place + 1) for place in range(16)]
    babble = [turn("a " * 1_000, 10.0 * place, 10.0 * place + 9, channel=place % 2) for place in range(6)]
    errors = transcription_errors(in_order(reference), in_order(babble))
    assert errors.orc_bounds == 1
    assert errors.orc.errors >= 6_000 - 96
    assert "upper bound" in caplog.text


@settings(max_examples=30)
@given(conversations())
def test_a_perfect_transcript_has_no_errors(reference: Transcript) -> None:
    errors = transcription_errors(reference, reference)
    assert (errors.orc.errors, errors.cp.errors, errors.tcp.errors, errors.turns.exact) == (0, 0, 0, 1)
    assert set(errors.word_start.seconds) <= {0.0}
    assert len(errors.word_start.seconds) == len(texts(reference))


def test_swapped_speakers_cost_nothing_but_merged_ones_do() -> None:
    reference = (turn("a b", 0, 1, speaker="ann"), turn("c a", 2, 3, speaker="bob", channel=1))
    swapped = tuple(replace(one, speaker={"ann": "S1", "bob": "S0"}[one.speaker]) for one in reference)
    merged = tuple(replace(one, speaker="S0") for one in reference)
    assert transcription_errors(reference, swapped).cp.errors == 0
    assert transcription_errors(reference, merged).cp == WordErrors(insertions=2, deletions=2, words=4)
    assert transcription_errors(reference, merged).orc.errors == 0


def test_latencies_are_what_was_reported_less_what_was_true() -> None:
    reference = (turn("a b", 1, 2), turn("c", 4, 5))
    found = replace(turn("a c", 1.1, 2.2), started_at_s=1.3, ended_at_s=2.6)
    hypothesis = (replace(found, words=tuple(replace(word, said_at_s=1.9) for word in found.words)),)
    errors = transcription_errors(reference, hypothesis)
    assert errors.start_latency.seconds == pytest.approx((0.3,))
    assert errors.end_latency.seconds == pytest.approx((0.6,))
    assert errors.word_latency.seconds == pytest.approx((1.9 - 1.5,))
    assert errors.word_start.seconds == pytest.approx((0.1,))
    assert (errors.turns.reference, errors.turns.hypothesis, errors.turns.exact) == (2, 1, 0)


def test_offline_systems_have_no_latency() -> None:
    errors = transcription_errors((turn("a", 0, 1),), (turn("a", 0, 1),))
    assert errors.start_latency == errors.end_latency == Delays.zero
    assert delay_percentile([errors.start_latency.seconds], 50) == Figure(None, None)
    assert share_early([errors.end_latency.seconds]) == Figure(None, None)


def test_turns_pair_one_to_one_by_the_time_they_share() -> None:
    reference = in_order([turn("a", 0, 4), turn("b", 3, 6)])
    hypothesis = in_order([turn("a", 2, 4.5), turn("b", 3.5, 6), turn("c", 8, 9)])
    assert matched_turns(reference, hypothesis) == list(zip(reference, hypothesis[:2], strict=True))


def test_delays_know_their_percentiles_and_the_early_ones() -> None:
    delays = [Delays((-0.1, 0.1)).seconds, (Delays((0.3,)) + Delays((0.5, 0.4))).seconds]
    figures = (delay_percentile(delays, 75), share_early(delays), median_distance(delays))
    assert [figure.value for figure in figures] == pytest.approx([0.4, 1 / 5, 0.3])
    assert [figure.ci95 for figure in figures] == [pytest.approx(ends) for ends in ((0.1, 0.475), (0, 0.5), (0.1, 0.4))]


@settings(max_examples=20)
@given(st.lists(st.tuples(conversations(2), conversations(2)), max_size=3))
def test_counts_of_recordings_add(recordings: list[tuple[Transcript, Transcript]]) -> None:
    errors = [transcription_errors(*pair) for pair in recordings]
    total = sum(errors, TranscriptionErrors.zero)
    assert total.orc.errors == sum(one.orc.errors for one in errors)
    assert total.turns.recordings == len(recordings)
    assert len(total.word_end.seconds) == sum(len(one.word_end.seconds) for one in errors)


def test_words_where_none_were_said_are_errors_without_bound() -> None:
    assert transcription_errors((), (turn("a", 0, 1),)).orc.rate == float("inf")
    assert transcription_errors((turn("a", 0, 1),), ()).orc == WordErrors(deletions=1, words=1)
    assert transcription_errors((), ()).orc.rate == 0.0
