"""From a recording of one corpus to its phrases with word times: each corpus says otherwise what was spoken.

A text that may not be what was said (numbers as asked for) is held against what Whisper hears; a recording without a
text gets Whisper's own words, which is good enough to learn from and never to be judged by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from svc.types import MODEL_RATE_HZ, FloatArray, RecognisedWord, Span
from training.data.manifest import TRAIN, Clip
from training.data.pauses import FRAME_S, SpeechMask, bridged, refined_words, runs, speech_mask, squeeze_pauses
from training.data.phrases import Phrase, PhraseConfig, phrases_of
from training.data.spoken_text import DIGITS, spelled_digits, spoken_words
from training.data.utterances import TimedWord
from training.metrics.word_alignment import word_distance

LONGEST_ALIGNED_S = 29.0
KEPT_SHARE = 0.75
SHORTEST_STEP_S = 5.0
CALL_KEYWORDS = {"operator", "wildfire", "think", "engine", "onword", "voyager"}
ISOLATED_MARGIN_S = 0.1
# An isolated word shorter or longer than this was cut off, or is not alone.
ISOLATED_S = (0.12, 1.2)
ISOLATED_MAX_PAUSE_S = 0.2


class Aligner(Protocol):
    """What aligning needs of a recogniser."""

    def align(self, samples: FloatArray, words: Sequence[str]) -> list[RecognisedWord]: ...

    def transcribe(self, samples: FloatArray) -> list[RecognisedWord]: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a recording: its phrases, and why some or all of it were not believed."""

    phrases: tuple[Phrase, ...]
    reasons: tuple[str, ...] = ()


Reader = Callable[[Clip, FloatArray, Aligner], Reading]


def read_paragraph(clip: Clip, samples: FloatArray, aligner: Aligner) -> Reading:
    """A known text read aloud. What is believed in less than half is another text and left out."""
    reading = _aligned(spoken_words(clip.text), samples, aligner, PhraseConfig(min_probability=0.12))
    if len(reading.phrases) < len(reading.reasons):
        return Reading((), (*reading.reasons, *("a talker mostly not believed" for _ in reading.phrases)))
    return reading


def read_as_given(clip: Clip, samples: FloatArray, aligner: Aligner) -> Reading:
    """A transcript of a telephone call. Its keywords alone are believed however improbable: no English tells them."""
    words = spoken_words(clip.text)
    alone = len(words) <= 2 and CALL_KEYWORDS.issuperset(words)
    return _aligned(words, samples, aligner, PhraseConfig(min_probability=0.0 if alone else 0.03))


def read_number(clip: Clip, samples: FloatArray, aligner: Aligner) -> Reading:
    """A number read out digit by digit, believed if Whisper hears just the digits asked for.

    Who is hard to understand would then teach nothing: of a train talker it may hear one digit otherwise, where all of
    them can be found in the sound; and a zero that leads, which tables of numbers lose.
    """
    asked = spelled_digits(clip.text)
    if not clip.path.endswith("numbers.opus") or len(asked) < 2:
        return Reading((), ("names and addresses: nobody knows what was said",))
    heard = spoken_digits(" ".join(word.text for word in aligner.transcribe(samples)))
    if heard == asked:
        return _aligned(asked, samples, aligner, PhraseConfig(min_probability=0.2))
    if clip.split == TRAIN and heard == [DIGITS[0], *asked]:
        return _aligned(heard, samples, aligner, PhraseConfig(min_probability=0.2))
    if clip.split == TRAIN and word_distance(asked, heard) == 1:
        return _aligned(asked, samples, aligner, PhraseConfig(min_probability=0.5))
    return Reading((), ("not the digits asked for",))


def read_isolated(clip: Clip, samples: FloatArray, aligner: Aligner) -> Reading:
    """A word alone: it is all the speech there is. A gloss of several words shares it out by letters."""
    del aligner
    mask = _one_burst(speech_mask(samples))
    (first, last) = (int(np.flatnonzero(mask)[0]), int(np.flatnonzero(mask)[-1]) + 1) if mask.any() else (0, 0)
    span = Span(first * FRAME_S, last * FRAME_S)
    if not ISOLATED_S[0] <= span.duration_s <= ISOLATED_S[1]:
        return Reading((), ("no word of credible length",))
    start_s = max(0.0, span.start_s - ISOLATED_MARGIN_S)
    end_s = min(len(samples) / MODEL_RATE_HZ, span.end_s + ISOLATED_MARGIN_S)
    inner = Span(span.start_s - start_s, span.end_s - start_s)
    return Reading((Phrase(span=Span(start_s, end_s), words=_shared_out(spoken_words(clip.text), inner)),))


def read_untranscribed(clip: Clip, samples: FloatArray, aligner: Aligner) -> Reading:
    """Whisper's own words as pseudo-labels, where it is sure of them."""
    del clip
    heard = spoken_words(" ".join(word.text for word in aligner.transcribe(samples)))
    return _aligned(heard, samples, aligner, PhraseConfig(min_probability=0.45, longest_s=10.0))


def spoken_digits(heard: str) -> list[str]:
    """The digits of a transcript in which some are written as words, some as `oh`."""
    for value, name in enumerate(DIGITS):
        heard = heard.lower().replace(name, str(value))
    return spelled_digits(heard.replace("oh", "0"))


def aligned_words(
    texts: Sequence[str], samples: FloatArray, aligner: Aligner
) -> tuple[list[RecognisedWord], SpeechMask]:
    """(N,) samples at 16 kHz and the words in them -> the words with edges refined by energy, and where speech is."""
    mask = speech_mask(samples)
    if not mask.any() or not texts:
        return [], mask
    squeezed = squeeze_pauses(samples, mask)
    rough = align_in_windows(squeezed.samples, texts, aligner)
    edges_s = [squeezed.original_time_s(time_s) for time_s in (*(word.start_s for word in rough), rough[-1].end_s)]
    spans = refined_words(edges_s, samples, mask)
    return [
        replace(word, start_s=span.start_s, end_s=span.end_s) for word, span in zip(rough, spans, strict=True)
    ], mask


def align_in_windows(samples: FloatArray, texts: Sequence[str], aligner: Aligner) -> list[RecognisedWord]:
    """Aligns recordings of any length: each window gets the words its share of the rest should hold.

    Of those only the first are kept, since how many there really are is a guess, and the next window starts after them.
    """
    words: list[RecognisedWord] = []
    start_s, end_s = 0.0, len(samples) / MODEL_RATE_HZ
    while end_s - start_s > LONGEST_ALIGNED_S:
        rest = texts[len(words) :]
        given = max(2, round(len(rest) * LONGEST_ALIGNED_S / (end_s - start_s)))
        window = samples[round(start_s * MODEL_RATE_HZ) :][: round(LONGEST_ALIGNED_S * MODEL_RATE_HZ)]
        found = aligner.align(window, rest[:given])
        kept = found[: max(1, round(given * KEPT_SHARE))]
        words += [shifted(word, start_s) for word in kept]
        if kept[-1].end_s < SHORTEST_STEP_S or len(words) == len(texts):
            # Astray: what is left over shows up as words without length, which nobody believes.
            return words + [shifted(word, start_s) for word in found[len(kept) :]] + _at(end_s, rest[given:])
        start_s += kept[-1].end_s
    last = aligner.align(samples[round(start_s * MODEL_RATE_HZ) :], texts[len(words) :])
    return words + [shifted(word, start_s) for word in last]


def shifted(word: RecognisedWord, offset_s: float) -> RecognisedWord:
    """The word later by so much."""
    return replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)


def _at(time_s: float, texts: Sequence[str]) -> list[RecognisedWord]:
    return [RecognisedWord(text=text, start_s=time_s, end_s=time_s, probability=0.0) for text in texts]


def _aligned(texts: Sequence[str], samples: FloatArray, aligner: Aligner, config: PhraseConfig) -> Reading:
    words, mask = aligned_words(texts, samples, aligner)
    if not words:
        return Reading((), ("no speech or no text",))
    phrases, reasons = phrases_of(words, mask, config)
    return Reading(tuple(phrases), tuple(reasons))


def _one_burst(mask: SpeechMask) -> SpeechMask:
    """The longest speech once short pauses are bridged: clicks before and after are left out."""
    first, last = max(runs(bridged(mask, ISOLATED_MAX_PAUSE_S)), key=lambda run: run[1] - run[0], default=(0, 0))
    alone = np.zeros(len(mask), np.bool_)
    alone[first:last] = True
    return alone


def _shared_out(texts: Sequence[str], span: Span) -> tuple[TimedWord, ...]:
    edges_s = span.start_s + span.duration_s * np.cumsum([0, *map(len, texts)]) / sum(map(len, texts))
    return tuple(
        TimedWord(text, float(start_s), float(end_s))
        for text, start_s, end_s in zip(texts, edges_s[:-1], edges_s[1:], strict=True)
    )
