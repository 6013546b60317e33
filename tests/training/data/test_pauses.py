"""Speech and pauses by energy: true edges are found, and times survive the squeezing of pauses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.types import MODEL_RATE_HZ, FloatArray, Span
from training.data.pauses import (
    FRAME_S,
    SHORTEST_WORD_S,
    bridged,
    levels_db,
    pauses_of,
    refined_words,
    runs,
    snap_edges,
    speech_mask,
    squeeze_pauses,
    widened,
    without_clicks,
)


def bursts(*spans: tuple[float, float], duration_s: float) -> FloatArray:
    """Noise at -20 dB in the spans over noise at -70 dB."""
    random = np.random.default_rng(0)
    samples = random.normal(0, 10 ** (-70 / 20), round(duration_s * MODEL_RATE_HZ))
    for start_s, end_s in spans:
        first, last = round(start_s * MODEL_RATE_HZ), round(end_s * MODEL_RATE_HZ)
        samples[first:last] = random.normal(0, 0.1, last - first)
    return samples.astype(np.float32)


def test_levels_are_decibels_of_full_scale() -> None:
    np.testing.assert_allclose(levels_db(np.full(1600, 0.1, np.float32)), -20, atol=1e-4)
    assert len(levels_db(np.zeros(159, np.float32))) == 0


@given(masks=st.lists(st.booleans(), max_size=40))
def test_runs_are_exactly_where_the_mask_holds(masks: list[bool]) -> None:
    mask = np.array(masks, np.bool_)
    rebuilt = np.zeros(len(mask), np.bool_)
    for first, last in runs(mask):
        assert not rebuilt[max(0, first - 1) : last].any()
        rebuilt[first:last] = True
    np.testing.assert_array_equal(rebuilt, mask)


def test_speech_starts_and_stops_where_it_does() -> None:
    mask = speech_mask(bursts((0.5, 1.0), (1.4, 1.9), duration_s=2.4))
    edges_s = np.array(runs(mask)) / 100
    np.testing.assert_allclose(edges_s, [[0.5, 1.0], [1.4, 1.9]], atol=0.021)


@pytest.mark.parametrize(("gap_s", "num_runs"), [(0.03, 1), (0.15, 2)])
def test_a_closure_is_no_pause(gap_s: float, num_runs: int) -> None:
    assert len(runs(speech_mask(bursts((0.5, 1.0), (1.0 + gap_s, 1.5), duration_s=2)))) == num_runs


def test_a_click_is_no_speech() -> None:
    assert len(runs(speech_mask(bursts((0.3, 0.31), (0.5, 1.0), duration_s=1.5)))) == 1


def test_an_empty_recording_has_no_speech_and_no_pauses() -> None:
    assert len(speech_mask(np.zeros(0, np.float32))) == 0
    assert pauses_of(np.zeros(10, np.bool_)) == []


def test_bridging_fills_short_pauses_between_speech_only() -> None:
    mask = np.array([0, 1, 0, 1, 0, 0, 0, 1, 0], np.bool_)
    np.testing.assert_array_equal(bridged(mask, 0.02), [0, 1, 1, 1, 0, 0, 0, 1, 0])


@given(st.lists(st.tuples(st.floats(0.1, 1.0), st.floats(0.05, 3.0)), min_size=1, max_size=5))
def test_squeezed_times_map_back_to_where_the_speech_was(pieces: list[tuple[float, float]]) -> None:
    mask = np.zeros(0, np.bool_)
    for speech_s, pause_s in pieces:
        silent, spoken = np.zeros(round(pause_s * 100), np.bool_), np.ones(round(speech_s * 100), np.bool_)
        mask = np.concatenate([mask, silent, spoken])
    samples = np.repeat(np.arange(len(mask)), 160).astype(np.float32)
    squeezed = squeeze_pauses(samples, mask, longest_s=0.4)
    # Each frame carries its own number, so that what stands at a time says which time it was.
    for frame in range(0, len(squeezed.samples) // 160):
        time_s = squeezed.original_time_s(frame / 100 + 0.005)
        assert time_s == pytest.approx(float(squeezed.samples[frame * 160]) / 100 + 0.005, abs=1e-6)
    assert set(np.flatnonzero(mask)) <= set(squeezed.samples[::160].astype(int))
    assert all(last - first <= 40 for first, last in runs(~mask[squeezed.samples[::160].astype(int)]))


def test_edges_snap_to_the_pauses_beside_them() -> None:
    pauses = [Span(0.0, 0.5), Span(1.0, 1.4), Span(1.9, 2.4)]
    assert snap_edges([0.1, 1.1, 2.0], pauses) == [Span(0.5, 1.0), Span(1.4, 1.9)]


def test_a_closure_inside_a_word_attracts_no_edge() -> None:
    spans = snap_edges([0.0, 1.0, 2.0], [Span(0.0, 0.0), Span(0.5, 0.58), Span(2.0, 2.0)])
    assert spans == [Span(0.0, 1.0), Span(1.0, 2.0)]


@given(st.lists(st.floats(0.0, 5.0), min_size=2, max_size=6), st.lists(st.floats(0.0, 5.0), max_size=6))
def test_words_stay_in_order_whatever_the_edges(edges_s: list[float], borders_s: list[float]) -> None:
    borders_s = sorted(borders_s)
    pauses = [Span(a, b) for a, b in zip(borders_s[::2], borders_s[1::2], strict=False)]
    spans = snap_edges(sorted(edges_s), pauses)
    assert all(span.start_s <= span.end_s for span in spans)
    assert [span.start_s for span in spans] == sorted(span.start_s for span in spans)


def test_rough_edges_are_refined_to_the_true_ones() -> None:
    truth = [(0.5, 0.9), (1.1, 1.5), (1.8, 2.3)]
    samples = bursts(*truth, duration_s=2.8)
    found = refined_words([0.1, 1.12, 1.7, 2.6], samples, speech_mask(samples))
    np.testing.assert_allclose([[span.start_s, span.end_s] for span in found], truth, atol=0.021)


def test_words_that_touch_are_parted_at_the_dip() -> None:
    samples = bursts((0.5, 1.0), (1.04, 1.5), duration_s=2.0)
    first, second = refined_words([0.3, 1.1, 1.7], samples, speech_mask(samples))
    assert first.end_s == second.start_s == pytest.approx(1.02, abs=0.011)


def test_a_word_without_length_borrows_from_its_longer_neighbour() -> None:
    words = widened([Span(0.0, 0.2), Span(0.2, 0.2), Span(0.2, 0.8)])
    assert words == [Span(0.0, 0.2), Span(0.2, 0.2 + SHORTEST_WORD_S), Span(0.2 + SHORTEST_WORD_S, 0.8)]


def test_a_click_long_after_a_word_is_cut_off_it_but_speech_is_not() -> None:
    mask = np.zeros(200, np.bool_)
    mask[20:70] = True
    mask[100:110] = True
    assert without_clicks(Span(0.2, 1.1), mask) == Span(20 * FRAME_S, 70 * FRAME_S)
    mask[100:140] = True
    assert without_clicks(Span(0.2, 1.4), mask) == Span(0.2, 1.4)
