"""Two voices compared: same and different tones, poor audio, parts that do not belong together."""

import math
from dataclasses import replace

import numpy as np
import pytest

from svc.errors import ArtifactError, FingerprintMismatchError, TooLittleSpeechError
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.verification import Verifier
from svc.scoring.policy import policy_named
from svc.types import Band, Decision, Reason, Voiceprint
from tests.pipelines.toy_speech import TONES_HZ, ToneEmbedder, tone
from tests.scoring.voices import calibration_of, weights_of

HIGH, LOW = float(TONES_HZ[8]), float(TONES_HZ[1])
BALANCED = policy_named("balanced")
CALIBRATION = calibration_of(weights_of())


@pytest.fixture
def verifier(extractor: VoiceprintExtractor) -> Verifier:
    return Verifier(extractor=extractor, calibration=CALIBRATION)


@pytest.mark.parametrize(("test_hz", "decision"), [(LOW, Decision.ACCEPT), (HIGH, Decision.REJECT)])
def test_one_voice_is_accepted_and_another_rejected(verifier: Verifier, test_hz: float, decision: Decision) -> None:
    answer = verifier.verify(tone(LOW, 3.0), tone(test_hz, 2.0), BALANCED)
    assert (answer.decision, answer.reasons) == (decision, ())
    assert (answer.llr > 0) == (decision is Decision.ACCEPT)
    assert answer.enrolment_net_speech_s == pytest.approx(3.0, rel=0.05)
    assert answer.test_net_speech_s == pytest.approx(2.0, rel=0.05)


def test_answer_says_what_it_rests_on(verifier: Verifier, embedder: ToneEmbedder) -> None:
    answer = verifier.verify(tone(LOW, 2.0), tone(LOW, 2.0), policy_named("strict"))
    assert answer.policy_id == "strict"
    assert answer.threshold_llr == pytest.approx(math.log(100))
    assert (answer.calibration_id, answer.model_fingerprint) == ("toy", embedder.fingerprint)
    assert answer.score == pytest.approx(1, abs=1e-3)


def test_both_clips_share_one_call_of_the_embedder(verifier: Verifier, embedder: ToneEmbedder) -> None:
    verifier.verify(tone(LOW, 2.0), tone(HIGH, 2.0), BALANCED)
    assert [len(call) for call in embedder.calls] == [2]


def test_voiceprint_stands_for_its_clip_on_either_side(verifier: Verifier, extractor: VoiceprintExtractor) -> None:
    clips = tone(LOW, 2.0), tone(HIGH, 1.5)
    voices = [extractor.extract(clip).voiceprint for clip in clips]
    from_clips = verifier.verify(*clips, BALANCED)
    assert verifier.verify(voices[0], clips[1], BALANCED) == from_clips
    assert verifier.verify(clips[0], voices[1], BALANCED) == from_clips
    assert verifier.compare(voices[0], voices[1], BALANCED) == from_clips


@pytest.mark.parametrize(("poor", "side"), [((0.1, 2.0), "enrolment"), ((2.0, 0.1), "test")])
def test_side_with_too_little_speech_is_named(verifier: Verifier, poor: tuple[float, float], side: str) -> None:
    with pytest.raises(TooLittleSpeechError, match=f"^{side}: ") as error:
        verifier.verify(tone(LOW, poor[0]), tone(LOW, poor[1]), BALANCED)
    assert error.value.field == f"{side}.audio"


def test_side_is_named_when_the_other_is_a_voiceprint(verifier: Verifier, extractor: VoiceprintExtractor) -> None:
    voice = extractor.extract(tone(LOW, 2.0)).voiceprint
    with pytest.raises(TooLittleSpeechError, match=r"^test: "):
        verifier.verify(voice, tone(LOW, 0.1), BALANCED)


def test_speech_too_short_for_the_policy_is_inconclusive_however_alike(verifier: Verifier) -> None:
    answer = verifier.verify(tone(LOW, 5.0), tone(LOW, 0.7), BALANCED)
    assert (answer.decision, answer.reasons) == (Decision.INCONCLUSIVE, (Reason.TOO_LITTLE_SPEECH,))


def voice_of(extractor: VoiceprintExtractor) -> Voiceprint:
    return extractor.extract(tone(LOW, 3.0)).voiceprint


def test_bands_that_differ_are_a_caution_only(verifier: Verifier, extractor: VoiceprintExtractor) -> None:
    voice = replace(voice_of(extractor), band=Band.WIDE)
    answer = verifier.compare(voice, replace(voice, band=Band.TELEPHONE), BALANCED)
    assert (answer.decision, answer.reasons) == (Decision.ACCEPT, (Reason.BAND_MISMATCH,))


def test_voice_of_another_model_is_refused(verifier: Verifier, extractor: VoiceprintExtractor) -> None:
    voice = voice_of(extractor)
    foreign = replace(voice, model_fingerprint="b" * 16)
    for enrolment, test in ((voice, foreign), (foreign, voice), (foreign, foreign)):
        with pytest.raises(FingerprintMismatchError):
            verifier.compare(enrolment, test, BALANCED)


def test_voices_of_another_model_are_refused_whatever_their_lengths(
    verifier: Verifier, extractor: VoiceprintExtractor
) -> None:
    foreign = replace(voice_of(extractor), model_fingerprint="b" * 16)
    longer = replace(foreign, vector=np.append(foreign.vector, foreign.vector))
    with pytest.raises(FingerprintMismatchError, match="embed them again"):
        verifier.compare(foreign, longer, BALANCED)


def test_calibration_of_another_model_is_refused(extractor: VoiceprintExtractor) -> None:
    with pytest.raises(ArtifactError, match="for model bbbb"):
        Verifier(extractor=extractor, calibration=replace(CALIBRATION, model_fingerprint="b" * 16))
