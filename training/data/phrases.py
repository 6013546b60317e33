"""Aligned words to phrases: cut at pauses, and only those kept whose alignment can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from svc.types import RecognisedWord, Span
from training.data.pauses import FRAME_S, SpeechMask, runs
from training.data.spoken_text import UNKNOWN_WORD
from training.data.utterances import TimedWord

# What is left of a pause on either side of a phrase.
MARGIN_S = 0.1
# Less is left only of words the aligner found no place for.
SHORTEST_WORD_S = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseConfig:
    """How recordings are cut, and what is believed. Probabilities are the aligner's, of the words it was given."""

    pause_s: float = 0.25
    shortest_s: float = 1.0
    longest_s: float = 6.0
    min_probability: float = 0.35
    max_pause_in_word_s: float = 0.25
    max_stray_speech_s: float = 0.3
    longest_word_s: float = 0.5
    longest_letter_s: float = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A stretch of the recording; its words' times are within it."""

    span: Span
    words: tuple[TimedWord, ...]


def phrases_of(
    words: Sequence[RecognisedWord], mask: SpeechMask, config: PhraseConfig
) -> tuple[list[Phrase], list[str]]:
    """The believable phrases of a recording, and why each of the others is not."""
    kept, reasons = [], []
    for group in grouped(words, config):
        if reason := doubt(group, mask, config):
            reasons.append(reason)
        else:
            kept.append(_phrase(group, words, len(mask) * FRAME_S))
    return kept, reasons


def grouped(words: Sequence[RecognisedWord], config: PhraseConfig) -> list[list[RecognisedWord]]:
    """Cut at every pause, then short neighbours joined while they stay within the longest phrase."""
    groups: list[list[RecognisedWord]] = []
    for index, word in enumerate(words):
        if index and word.start_s - words[index - 1].end_s < config.pause_s:
            groups[-1].append(word)
        else:
            groups.append([word])
    joined: list[list[RecognisedWord]] = []
    for group in groups:
        too_short = joined and min(_length_s(joined[-1]), _length_s(group)) < config.shortest_s
        if too_short and group[-1].end_s - joined[-1][0].start_s <= config.longest_s:
            joined[-1].extend(group)
        else:
            joined.append(list(group))
    return [part for group in joined for part in _no_longer(group, config.longest_s)]


def doubt(words: Sequence[RecognisedWord], mask: SpeechMask, config: PhraseConfig) -> str:
    """Why the alignment of these words is not believed; empty = it is."""
    known = [word.probability for word in words if word.text != UNKNOWN_WORD]
    if not known or np.exp(np.mean(np.log(np.maximum(known, 1e-4)))) < config.min_probability:
        return "words improbable"
    for word in words:
        length_s = word.end_s - word.start_s
        if length_s < SHORTEST_WORD_S:
            return "a word too short"
        if length_s > config.longest_word_s + config.longest_letter_s * len(word.text):
            return "a word too long"
        if _longest_run_s(~_part(mask, word.start_s, word.end_s)) > config.max_pause_in_word_s:
            return "a pause inside a word"
    stray_s = max((_speech_s(mask, a.end_s, b.start_s) for a, b in pairwise(words)), default=0.0)
    return "speech between words" if stray_s > config.max_stray_speech_s else ""


def _phrase(group: Sequence[RecognisedWord], words: Sequence[RecognisedWord], end_s: float) -> Phrase:
    before_s = max((word.end_s for word in words if word.end_s <= group[0].start_s), default=0.0)
    after_s = min((word.start_s for word in words if word.start_s >= group[-1].end_s), default=end_s)
    start_s = group[0].start_s - min(MARGIN_S, (group[0].start_s - before_s) / 2)
    last_s = group[-1].end_s + min(MARGIN_S, (after_s - group[-1].end_s) / 2)
    timed = tuple(TimedWord(word.text, word.start_s - start_s, word.end_s - start_s) for word in group)
    return Phrase(span=Span(start_s, last_s), words=timed)


def _no_longer(group: list[RecognisedWord], longest_s: float) -> list[list[RecognisedWord]]:
    """Halved at its longest gap until each part is short enough."""
    if _length_s(group) <= longest_s or len(group) < 2:
        return [group]
    gaps_s = [after.start_s - before.end_s for before, after in pairwise(group)]
    cut = int(np.argmax(gaps_s)) + 1
    return _no_longer(group[:cut], longest_s) + _no_longer(group[cut:], longest_s)


def _length_s(group: Sequence[RecognisedWord]) -> float:
    return group[-1].end_s - group[0].start_s


def _part(mask: SpeechMask, start_s: float, end_s: float) -> SpeechMask:
    return mask[round(start_s / FRAME_S) : round(end_s / FRAME_S)]


def _speech_s(mask: SpeechMask, start_s: float, end_s: float) -> float:
    return float(_part(mask, start_s, end_s).sum()) * FRAME_S


def _longest_run_s(mask: SpeechMask) -> float:
    return max((last - first for first, last in runs(mask)), default=0) * FRAME_S
