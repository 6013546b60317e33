"""The two people of the demo's recording, cut out where they talk alone: clips to enrol, and later ones to test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equivox import Pcm
from svc.pipelines.reconstruction import union_of, without
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


def alone(turns: Sequence[Turn], speaker: str) -> list[Span]:
    """Where `speaker` talks and nobody else does."""
    own = [turn.span for turn in turns if turn.speaker == speaker]
    others = [turn.span for turn in turns if turn.speaker != speaker]
    return without(union_of(own), union_of(others))


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
