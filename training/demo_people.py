"""The two people of the demo's recording, cut out where they talk alone: clips to enrol, and later ones to test."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from equivox import Pcm
from svc.types import FloatArray, Span, Turn

# Enrolment before, tests after: each speaker has four seconds or more alone on either side of it.
SPLIT_S = 18.0
MIN_PIECE_S = 1.0
NAMES = ("anna", "bob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One talker of the sample: clips to enrol, each (N,), and a later one (N,) to test."""

    name: str
    enrolment: tuple[FloatArray, ...]
    test: FloatArray
    sample_rate_hz: int

    @property
    def test_clip(self) -> Pcm:
        return Pcm(self.test, self.sample_rate_hz)

    @property
    def enrolment_clips(self) -> list[Pcm]:
        return [Pcm(clip, self.sample_rate_hz) for clip in self.enrolment]


def sample_folder() -> Path:
    """Where pyannote.audio keeps its sample; found without the seconds that importing it takes."""
    spec = find_spec("pyannote.audio")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("pyannote.audio is not installed: pip install 'equivox[server]'")
    return Path(spec.submodule_search_locations[0]) / "sample"


def alone(turns: Sequence[Turn], speaker: str) -> list[Span]:
    """Where `speaker` talks and nobody else does."""
    free = [turn.span for turn in turns if turn.speaker == speaker]
    for other in (turn.span for turn in turns if turn.speaker != speaker):
        free = [piece for span in free for piece in without(span, other)]
    return free


def without(span: Span, other: Span) -> list[Span]:
    """`span` less its overlap with `other`."""
    before = Span(span.start_s, min(span.end_s, other.start_s))
    after = Span(max(span.start_s, other.end_s), span.end_s)
    return [piece for piece in (before, after) if piece.duration_s > 0]


def cut_people(samples: FloatArray, sample_rate_hz: int, turns: Sequence[Turn]) -> tuple[Person, ...]:
    """Both talkers, in order of their first turn."""

    def cut(span: Span) -> FloatArray:
        return samples[round(span.start_s * sample_rate_hz) : round(span.end_s * sample_rate_hz)]

    people = []
    for name, speaker in zip(NAMES, dict.fromkeys(turn.speaker for turn in turns), strict=True):
        pieces = [span for span in alone(turns, speaker) if span.duration_s >= MIN_PIECE_S]
        people.append(
            Person(
                name=name,
                enrolment=tuple(cut(span) for span in pieces if span.end_s <= SPLIT_S),
                test=np.concatenate([cut(span) for span in pieces if span.start_s >= SPLIT_S]),
                sample_rate_hz=sample_rate_hz,
            )
        )
    return tuple(people)
