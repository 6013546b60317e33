"""Phrases: cut at pauses, within their length, and none whose alignment cannot be believed."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.types import RecognisedWord
from training.data.pauses import SpeechMask
from training.data.phrases import PhraseConfig, doubt, grouped, phrases_of

CONFIG = PhraseConfig()


def words_of(*lengths_and_gaps: tuple[float, float]) -> list[RecognisedWord]:
    """Words of these lengths, each with the gap that follows it, from 0.5 s on."""
    words, at_s = [], 0.5
    for length_s, gap_s in lengths_and_gaps:
        words.append(RecognisedWord(text="word", start_s=at_s, end_s=at_s + length_s, probability=0.9))
        at_s += length_s + gap_s
    return words


def mask_of(words: list[RecognisedWord]) -> SpeechMask:
    mask = np.zeros(round(words[-1].end_s * 100) + 50, np.bool_)
    for word in words:
        mask[round(word.start_s * 100) : round(word.end_s * 100)] = True
    return mask


@given(st.lists(st.tuples(st.floats(0.1, 0.9), st.sampled_from([0.0, 0.1, 0.3, 1.0])), min_size=1, max_size=30))
def test_groups_hold_every_word_once_and_are_short_enough(pieces: list[tuple[float, float]]) -> None:
    words = words_of(*pieces)
    groups = grouped(words, CONFIG)
    assert [word for group in groups for word in group] == words
    assert all(group[-1].end_s - group[0].start_s <= CONFIG.longest_s for group in groups)


@given(st.lists(st.tuples(st.floats(0.1, 0.9), st.sampled_from([0.0, 0.1, 0.3, 1.0])), min_size=1, max_size=30))
def test_kept_phrases_are_in_order_apart_and_hold_their_words(pieces: list[tuple[float, float]]) -> None:
    words = words_of(*pieces)
    kept, _ = phrases_of(words, mask_of(words), CONFIG)
    for phrase in kept:
        assert all(0 <= word.start_s <= word.end_s <= phrase.span.duration_s + 1e-9 for word in phrase.words)
    assert all(a.span.end_s <= b.span.start_s + 1e-9 for a, b in pairwise(kept))


def test_a_long_pause_parts_phrases_and_a_short_one_does_not() -> None:
    long_enough = [(0.5, 0.1), (0.5, 0.1), (0.5, 0.4), (0.5, 0.1), (0.5, 0.1), (0.5, 0.0)]
    assert [len(group) for group in grouped(words_of(*long_enough), CONFIG)] == [3, 3]


def test_a_short_phrase_joins_its_neighbour() -> None:
    assert [len(group) for group in grouped(words_of((0.3, 0.4), (0.8, 0.1), (0.8, 0.0)), CONFIG)] == [3]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"probability": 0.001}, "words improbable"),
        ({"end_s": 0.51}, "a word too short"),
        ({"end_s": 2.5}, "a word too long"),
    ],
)
def test_a_doubtful_word_is_named(change: dict[str, float], reason: str) -> None:
    words = words_of((0.4, 0.0))
    changed = [replace(words[0], **change)]  # type: ignore[arg-type]
    assert doubt(changed, np.ones(400, np.bool_), CONFIG) == reason


def test_a_pause_inside_a_word_and_speech_between_words_are_doubtful() -> None:
    words = words_of((0.8, 0.6), (0.4, 0.0))
    mask = mask_of(words)
    assert doubt(words, mask, CONFIG) == ""
    mask[140:180] = True
    assert doubt(words, mask, CONFIG) == "speech between words"
    mask[60:90] = False
    assert doubt(words, mask, CONFIG) == "a pause inside a word"


def test_an_unintelligible_word_does_not_count_as_improbable() -> None:
    first, second = words_of((0.4, 0.0), (0.4, 0.0))
    assert doubt([first, replace(second, text="<unk>", probability=0.0)], np.ones(200, np.bool_), CONFIG) == ""
