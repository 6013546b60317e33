"""Enrolment: all or none, once per key, and what looks wrong is said."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from svc.errors import (
    FingerprintMismatchError,
    IdempotencyConflictError,
    InvalidRequestError,
    ProfileExpiredError,
    ProfileNotFoundError,
    TooLittleSpeechError,
)
from svc.pipelines.enrolment import content_digest
from svc.pipelines.remembered_answer import from_answer, to_answer
from svc.types import EnrolmentWarning, EnrolmentWarningKind, Waveform
from tests.pipelines.enrolled_voices import TENANT, Service, chord, clip_of, hummed
from tests.profiles.voices import let_expire


def kinds(warnings: Sequence[EnrolmentWarning]) -> list[EnrolmentWarningKind]:
    return [warning.kind for warning in warnings]


def test_good_utterances_of_one_person_enrol_without_warnings(service: Service) -> None:
    service.add("jo")
    result = service.enroller.enroll(TENANT, "jo", [clip_of(1, take=take) for take in range(3)])
    assert result.warnings == ()
    assert result.profile == service.store.get(TENANT, "jo")
    assert result.profile.num_enrolments == len(result.qualities) == 3
    assert result.profile.net_speech_s == pytest.approx(sum(each.net_speech_s for each in result.qualities))


def test_the_utterance_that_does_not_fit_is_pointed_at(service: Service) -> None:
    service.add("jo")
    clips = [clip_of(1, take=0), clip_of(1, take=1), clip_of(2), clip_of(1, take=3)]
    (warning,) = service.enroller.enroll(TENANT, "jo", clips).warnings
    assert (warning.kind, warning.utterance) == (EnrolmentWarningKind.INCOHERENT, 2)
    assert warning.llr < 0
    assert service.store.get(TENANT, "jo").num_enrolments == 4


def test_a_later_utterance_is_compared_with_those_enrolled_before(service: Service) -> None:
    service.add("jo", clip_of(1, take=0), clip_of(1, take=1))
    assert service.enroller.enroll(TENANT, "jo", [clip_of(1, take=2)]).warnings == ()
    assert kinds(service.enroller.enroll(TENANT, "jo", [clip_of(2)]).warnings) == [EnrolmentWarningKind.INCOHERENT]


def test_a_voice_enrolled_twice_is_noticed_in_the_tenant_only(service: Service) -> None:
    service.add("jo", clip_of(1))
    service.add("al", clip_of(2))
    service.add("again")
    (warning,) = service.enroller.enroll(TENANT, "again", [clip_of(1, take=1)]).warnings
    assert (warning.kind, warning.other_profile_id) == (EnrolmentWarningKind.DUPLICATE_VOICE, "jo")
    service.store.create("other", profile_id="jo", consent_reference="form")
    assert service.enroller.enroll("other", "jo", [clip_of(1, take=2)]).warnings == ()


def test_poor_utterances_are_named_with_what_is_wrong(service: Service) -> None:
    service.add("jo")
    loud = hummed(chord(1) * 30)
    clipped = replace(loud, samples=np.clip(loud.samples, -1, 1))
    warnings = service.enroller.enroll(TENANT, "jo", [clip_of(1), clipped, clip_of(1, speech_s=0.7)]).warnings
    poor = {each.utterance: each.message for each in warnings if each.kind is EnrolmentWarningKind.POOR_QUALITY}
    assert poor.keys() == {1, 2}
    assert "clipped" in poor[1]
    assert "too little speech" in poor[2]


def test_one_bad_utterance_stops_all_and_is_named(service: Service) -> None:
    service.add("jo")
    silence = Waveform(np.zeros(32_000, np.float32), 16_000)
    with pytest.raises(TooLittleSpeechError, match=r"utterances\[1\].*nothing was enrolled") as raised:
        service.enroller.enroll(TENANT, "jo", [clip_of(1), silence, clip_of(1, take=2)])
    assert raised.value.field == "utterances[1]"
    assert service.store.get(TENANT, "jo").num_enrolments == 0


@pytest.mark.parametrize("count", [0, 21])
def test_too_few_or_too_many_utterances_are_refused(service: Service, count: int) -> None:
    service.add("jo")
    with pytest.raises(InvalidRequestError, match="1 to 20 utterances"):
        service.enroller.enroll(TENANT, "jo", [clip_of(1, speech_s=0.1)] * count)


def test_what_cannot_be_enrolled_costs_no_model_run(service: Service) -> None:
    service.add("brief")
    let_expire(service.store, "brief")
    service.add("jo", clip_of(1))
    ran, service.embedder.fingerprint = service.embedder.num_embedded, "f" * 16
    expected = {"nobody": ProfileNotFoundError, "brief": ProfileExpiredError, "jo": FingerprintMismatchError}
    for name, error in expected.items():
        with pytest.raises(error):
            service.enroller.enroll(TENANT, name, [clip_of(1)])
    assert service.embedder.num_embedded == ran


def test_a_repeat_hears_the_first_answer_and_runs_no_model(service: Service) -> None:
    service.add("jo")
    clips = [clip_of(1), clip_of(1, take=1), clip_of(2, speech_s=0.8)]
    first = service.enroller.enroll(TENANT, "jo", clips, idempotency_key="k")
    service.enroller.enroll(TENANT, "jo", [clip_of(1, take=5)])
    ran = service.embedder.num_embedded
    assert first.warnings
    assert service.enroller.enroll(TENANT, "jo", clips, idempotency_key="k") == first
    assert service.embedder.num_embedded == ran
    assert service.store.get(TENANT, "jo").num_enrolments == 4


def test_a_key_with_other_clips_or_profile_is_a_conflict(service: Service) -> None:
    service.add("jo")
    service.add("al")
    service.enroller.enroll(TENANT, "jo", [clip_of(1)], idempotency_key="k")
    for name, clip in (("jo", clip_of(2)), ("al", clip_of(1))):
        with pytest.raises(IdempotencyConflictError):
            service.enroller.enroll(TENANT, name, [clip], idempotency_key="k")


def test_twins_of_one_call_enrol_once_and_hear_the_same(service: Service) -> None:
    service.add("jo")
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(service.enroller.enroll, TENANT, "jo", [clip_of(1)], idempotency_key="k") for _ in range(4)
        ]
        answers = [call.result() for call in calls]
    assert answers == answers[:1] * 4
    assert service.store.get(TENANT, "jo").num_enrolments == 1


def test_the_digest_tells_splits_rates_and_order_apart() -> None:
    whole, half = clip_of(1), clip_of(2)
    variants = (
        ("jo", [whole, half]),
        ("jo", [half, whole]),
        ("al", [whole, half]),
        ("jo", [replace(whole, sample_rate_hz=8000), half]),
        ("jo", [replace(whole, samples=np.concatenate([whole.samples, half.samples]))]),
    )
    assert len({content_digest(name, clips) for name, clips in variants}) == len(variants)


def test_a_remembered_answer_is_the_answer(service: Service) -> None:
    service.add("jo")
    result = service.enroller.enroll(TENANT, "jo", [clip_of(1), clip_of(2)])
    assert len(result.warnings) == 2
    assert from_answer(result.profile, to_answer(result.qualities, result.warnings)) == result
