"""Speakers of a recording named by enrolled profiles: each profile once, strangers and the unheard not at all."""

from dataclasses import replace

import pytest

from svc.pipelines.naming import name_speakers
from svc.scoring.policy import NAMED_POLICIES
from svc.types import DiarizationResult, DiarizedSpeaker, Waveform
from tests.pipelines.enrolled_voices import MODEL, TENANT, Service, chord, clip_of, hummed


@pytest.fixture
def people(service: Service) -> Service:
    """Two enrolled people."""
    for person in range(2):
        service.add(f"p{person}", clip_of(person))
    return service


def heard(service: Service, *clips: Waveform | None) -> DiarizationResult:
    """One speaker a clip; None is one without a voiceprint."""
    speakers = [
        DiarizedSpeaker(
            label=f"S{number}", speech_s=2.0, voiceprint=service.extractor.extract(clip).voiceprint if clip else None
        )
        for number, clip in enumerate(clips)
    ]
    return DiarizationResult(turns=(), overlaps=(), speakers=tuple(speakers), duration_s=9.0, model_fingerprint=MODEL)


def names(service: Service, result: DiarizationResult) -> list[str | None]:
    named = name_speakers(result, service.identifier, tenant=TENANT, policy=NAMED_POLICIES["balanced"])
    return [speaker.profile.profile_id if speaker.profile else None for speaker in named.speakers]


def test_the_enrolled_are_named_and_strangers_are_not(people: Service) -> None:
    assert names(people, heard(people, clip_of(1, take=9), clip_of(100), clip_of(0, take=9))) == ["p1", None, "p0"]


def test_a_speaker_with_too_little_speech_has_no_name(people: Service) -> None:
    assert names(people, heard(people, None, clip_of(0, take=9))) == [None, "p0"]


def test_of_two_speakers_who_match_one_profile_only_the_better_keeps_it(people: Service) -> None:
    poorer = hummed(0.8 * chord(0) + 0.2 * chord(5))
    assert names(people, heard(people, poorer, None)) == ["p0", None]
    assert names(people, heard(people, poorer, clip_of(0, take=9))) == [None, "p0"]
    assert names(people, heard(people, clip_of(0, take=9), poorer)) == ["p0", None]


@pytest.mark.parametrize(("speech_s", "expected"), [((3.0, 2.0), ["p0", None]), ((2.0, 3.0), [None, "p0"])])
def test_of_two_who_match_as_well_the_one_who_spoke_longer_keeps_it(
    people: Service, speech_s: tuple[float, float], expected: list[str | None]
) -> None:
    alike = heard(people, clip_of(0, take=9), clip_of(0, take=9))
    speakers = (replace(one, speech_s=each) for one, each in zip(alike.speakers, speech_s, strict=True))
    assert names(people, replace(alike, speakers=tuple(speakers))) == expected
