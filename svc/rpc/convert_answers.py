"""Answers of the pipelines as messages: verification, identification, diarization, profiles."""

from equivox.v1 import diarization_pb2, profiles_pb2, verification_pb2
from svc.rpc.convert import DECISIONS, REASONS, from_quality, from_unix_s, from_voiceprint
from svc.types import (
    DiarizationResult,
    DiarizedSpeaker,
    Enrolment,
    EnrolmentResult,
    EnrolmentWarning,
    EnrolmentWarningKind,
    Identification,
    IdentityMatch,
    Profile,
    Span,
    Verification,
)

WARNING_KINDS = {
    EnrolmentWarningKind.INCOHERENT: profiles_pb2.ENROLMENT_WARNING_KIND_INCOHERENT,
    EnrolmentWarningKind.DUPLICATE_VOICE: profiles_pb2.ENROLMENT_WARNING_KIND_DUPLICATE_VOICE,
    EnrolmentWarningKind.POOR_QUALITY: profiles_pb2.ENROLMENT_WARNING_KIND_POOR_QUALITY,
}


def from_verification(verification: Verification) -> verification_pb2.VerifyResponse:
    return verification_pb2.VerifyResponse(
        llr=verification.llr,
        decision=DECISIONS[verification.decision],
        reasons=[REASONS[reason] for reason in verification.reasons],
        policy_id=verification.policy_id,
        threshold_llr=verification.threshold_llr,
        calibration_id=verification.calibration_id,
        model_fingerprint=verification.model_fingerprint,
        enrolment_net_speech_s=verification.enrolment_net_speech_s,
        test_net_speech_s=verification.test_net_speech_s,
        score=verification.score,
    )


def from_identification(identification: Identification) -> verification_pb2.IdentifyResponse:
    return verification_pb2.IdentifyResponse(
        matches=[from_match(match) for match in identification.matches],
        decision=DECISIONS[identification.decision],
        reasons=[REASONS[reason] for reason in identification.reasons],
        policy_id=identification.policy_id,
        threshold_llr=identification.threshold_llr,
        calibration_id=identification.calibration_id,
        model_fingerprint=identification.model_fingerprint,
        net_speech_s=identification.net_speech_s,
        num_searched=identification.num_searched,
    )


def from_match(match: IdentityMatch) -> verification_pb2.IdentityMatch:
    return verification_pb2.IdentityMatch(
        profile_id=match.profile_id, display_name=match.display_name, llr=match.llr, margin=match.margin
    )


def from_diarization(result: DiarizationResult, *, with_embeddings: bool) -> diarization_pb2.DiarizeResponse:
    """Embeddings are dropped unless asked for."""
    return diarization_pb2.DiarizeResponse(
        turns=[diarization_pb2.SpeakerTurn(span=_span(turn.span), speaker=turn.speaker) for turn in result.turns],
        overlaps=[_span(span) for span in result.overlaps],
        speakers=[_speaker(speaker, with_embeddings) for speaker in result.speakers],
        duration_s=result.duration_s,
        model_fingerprint=result.model_fingerprint,
    )


def _span(span: Span) -> diarization_pb2.TimeSpan:
    return diarization_pb2.TimeSpan(start_s=span.start_s, end_s=span.end_s)


def _speaker(speaker: DiarizedSpeaker, with_embedding: bool) -> diarization_pb2.DiarizedSpeaker:
    return diarization_pb2.DiarizedSpeaker(
        label=speaker.label,
        speech_s=speaker.speech_s,
        embedding=from_voiceprint(speaker.voiceprint) if with_embedding and speaker.voiceprint else None,
        profile=from_match(speaker.profile) if speaker.profile else None,
    )


def from_profile(profile: Profile) -> profiles_pb2.Profile:
    return profiles_pb2.Profile(
        profile_id=profile.profile_id,
        display_name=profile.display_name,
        consent_reference=profile.consent_reference,
        create_time=from_unix_s(profile.created_at_s),
        expire_time=None if profile.expires_at_s is None else from_unix_s(profile.expires_at_s),
        num_enrolments=profile.num_enrolments,
        net_speech_s=profile.net_speech_s,
        model_fingerprint=profile.model_fingerprint,
    )


def from_enrolment_result(result: EnrolmentResult) -> profiles_pb2.EnrollResponse:
    return profiles_pb2.EnrollResponse(
        profile=from_profile(result.profile),
        qualities=[from_quality(quality) for quality in result.qualities],
        warnings=[from_warning(warning) for warning in result.warnings],
    )


def from_warning(warning: EnrolmentWarning) -> profiles_pb2.EnrolmentWarning:
    return profiles_pb2.EnrolmentWarning(
        kind=WARNING_KINDS[warning.kind],
        message=warning.message,
        utterance=warning.utterance,
        other_profile_id=warning.other_profile_id,
        llr=warning.llr,
    )


def from_enrolment(enrolment: Enrolment) -> profiles_pb2.Enrolment:
    return profiles_pb2.Enrolment(
        enrolment_id=enrolment.enrolment_id,
        create_time=from_unix_s(enrolment.created_at_s),
        embedding=from_voiceprint(enrolment.voiceprint),
    )
