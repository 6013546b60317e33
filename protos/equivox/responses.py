"""The contract's responses, turned into the client's dataclasses. Shared by Client and AsyncClient."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from equivox import results
from equivox.v1 import audio_pb2, diarization_pb2, embeddings_pb2, models_pb2, profiles_pb2, verification_pb2

_BANDS = {audio_pb2.BAND_TELEPHONE: results.Band.TELEPHONE, audio_pb2.BAND_WIDE: results.Band.WIDE}
_DECISIONS = {
    verification_pb2.DECISION_ACCEPT: results.Decision.ACCEPT,
    verification_pb2.DECISION_REJECT: results.Decision.REJECT,
    verification_pb2.DECISION_INCONCLUSIVE: results.Decision.INCONCLUSIVE,
}
_REASONS = {
    verification_pb2.REASON_TOO_LITTLE_SPEECH: results.Reason.TOO_LITTLE_SPEECH,
    verification_pb2.REASON_LOW_SNR: results.Reason.LOW_SNR,
    verification_pb2.REASON_CLIPPED: results.Reason.CLIPPED,
    verification_pb2.REASON_NEAR_THRESHOLD: results.Reason.NEAR_THRESHOLD,
    verification_pb2.REASON_BAND_MISMATCH: results.Reason.BAND_MISMATCH,
    verification_pb2.REASON_AMBIGUOUS: results.Reason.AMBIGUOUS,
}
_WARNINGS = {
    profiles_pb2.ENROLMENT_WARNING_KIND_INCOHERENT: results.WarningKind.INCOHERENT,
    profiles_pb2.ENROLMENT_WARNING_KIND_DUPLICATE_VOICE: results.WarningKind.DUPLICATE_VOICE,
    profiles_pb2.ENROLMENT_WARNING_KIND_POOR_QUALITY: results.WarningKind.POOR_QUALITY,
}


def read_quality(quality: audio_pb2.AudioQuality) -> results.AudioQuality:
    """What was measured on a clip."""
    return results.AudioQuality(
        duration_s=quality.duration_s,
        net_speech_s=quality.net_speech_s,
        snr_db=quality.snr_db,
        clipped_share=quality.clipped_share,
        band=_BANDS.get(quality.band),
    )


def read_embedding(embedding: embeddings_pb2.Embedding) -> results.Embedding:
    """An embedding with what is needed to score it later."""
    return results.Embedding(
        values=tuple(embedding.values),
        model_fingerprint=embedding.model_fingerprint,
        net_speech_s=embedding.net_speech_s,
        band=_BANDS.get(embedding.band),
        snr_db=embedding.snr_db,
        clipped_share=embedding.clipped_share,
    )


def read_embed(response: embeddings_pb2.EmbedResponse) -> results.EmbedResult:
    """A clip's embedding and quality."""
    return results.EmbedResult(embedding=read_embedding(response.embedding), quality=read_quality(response.quality))


def read_decision(decision: verification_pb2.Decision) -> results.Decision:
    """A decision of a newer server that this client does not know is INCONCLUSIVE: never an acceptance by accident."""
    return _DECISIONS.get(decision, results.Decision.INCONCLUSIVE)


def read_verification(response: verification_pb2.VerifyResponse) -> results.Verification:
    """Two voices compared."""
    return results.Verification(
        llr=response.llr,
        decision=read_decision(response.decision),
        reasons=tuple(_REASONS.get(reason, results.Reason.OTHER) for reason in response.reasons),
        policy_id=response.policy_id,
        threshold_llr=response.threshold_llr,
        calibration_id=response.calibration_id,
        model_fingerprint=response.model_fingerprint,
        enrolment_net_speech_s=response.enrolment_net_speech_s,
        test_net_speech_s=response.test_net_speech_s,
        score=response.score,
    )


def read_match(match: verification_pb2.IdentityMatch) -> results.IdentityMatch:
    """One candidate identity."""
    return results.IdentityMatch(
        profile_id=match.profile_id, display_name=match.display_name, llr=match.llr, margin=match.margin
    )


def read_identification(response: verification_pb2.IdentifyResponse) -> results.Identification:
    """The open-set answer."""
    return results.Identification(
        matches=tuple(read_match(match) for match in response.matches),
        decision=read_decision(response.decision),
        reasons=tuple(_REASONS.get(reason, results.Reason.OTHER) for reason in response.reasons),
        policy_id=response.policy_id,
        threshold_llr=response.threshold_llr,
        calibration_id=response.calibration_id,
        model_fingerprint=response.model_fingerprint,
        net_speech_s=response.net_speech_s,
        num_searched=response.num_searched,
    )


def read_span(span: diarization_pb2.TimeSpan) -> results.TimeSpan:
    """A span of time."""
    return results.TimeSpan(span.start_s, span.end_s)


def read_speaker(speaker: diarization_pb2.DiarizedSpeaker) -> results.DiarizedSpeaker:
    """One speaker of a recording."""
    return results.DiarizedSpeaker(
        label=speaker.label,
        speech_s=speaker.speech_s,
        embedding=read_embedding(speaker.embedding) if speaker.HasField("embedding") else None,
        profile=read_match(speaker.profile) if speaker.HasField("profile") else None,
    )


def read_diarization(response: diarization_pb2.DiarizeResponse) -> results.DiarizationResult:
    """Who spoke when."""
    return results.DiarizationResult(
        turns=tuple(results.SpeakerTurn(read_span(turn.span), turn.speaker) for turn in response.turns),
        overlaps=tuple(read_span(span) for span in response.overlaps),
        speakers=tuple(read_speaker(speaker) for speaker in response.speakers),
        duration_s=response.duration_s,
        model_fingerprint=response.model_fingerprint,
    )


def read_moment(timestamp: Timestamp) -> datetime:
    """A moment as an aware UTC datetime."""
    return timestamp.ToDatetime(UTC)


def read_profile(profile: profiles_pb2.Profile) -> results.Profile:
    """A person as the service knows them."""
    return results.Profile(
        profile_id=profile.profile_id,
        display_name=profile.display_name,
        consent_reference=profile.consent_reference,
        create_time=read_moment(profile.create_time),
        expire_time=read_moment(profile.expire_time) if profile.HasField("expire_time") else None,
        num_enrolments=profile.num_enrolments,
        net_speech_s=profile.net_speech_s,
        model_fingerprint=profile.model_fingerprint,
    )


def read_warning(warning: profiles_pb2.EnrolmentWarning) -> results.EnrolmentWarning:
    """Something doubtful about an enrolment."""
    return results.EnrolmentWarning(
        kind=_WARNINGS.get(warning.kind, results.WarningKind.OTHER),
        message=warning.message,
        utterance=warning.utterance if warning.HasField("utterance") else None,
        other_profile_id=warning.other_profile_id,
        llr=warning.llr,
    )


def read_enrolment_result(response: profiles_pb2.EnrollResponse) -> results.EnrolmentResult:
    """A profile after an enrolment."""
    return results.EnrolmentResult(
        profile=read_profile(response.profile),
        qualities=tuple(read_quality(quality) for quality in response.qualities),
        warnings=tuple(read_warning(warning) for warning in response.warnings),
    )


def read_page(response: profiles_pb2.ProfilesListResponse) -> results.ProfilePage:
    """One page of profiles."""
    return results.ProfilePage(
        profiles=tuple(read_profile(profile) for profile in response.profiles),
        next_page_token=response.next_page_token,
    )


def read_enrolment(enrolment: profiles_pb2.Enrolment) -> results.Enrolment:
    """One enrolled utterance."""
    return results.Enrolment(
        enrolment_id=enrolment.enrolment_id,
        create_time=read_moment(enrolment.create_time),
        embedding=read_embedding(enrolment.embedding),
    )


def read_export(response: profiles_pb2.ExportResponse) -> results.ProfileExport:
    """Everything held about one person."""
    return results.ProfileExport(
        profile=read_profile(response.profile),
        enrolments=tuple(read_enrolment(enrolment) for enrolment in response.enrolments),
    )


def read_models(response: models_pb2.ModelsListResponse) -> tuple[results.LoadedModel, ...]:
    """What the server runs."""
    return tuple(
        results.LoadedModel(
            name=model.name,
            role=model.role,
            fingerprint=model.fingerprint,
            licence=model.licence,
            runtime=model.runtime,
        )
        for model in response.models
    )


def read_fairness(response: models_pb2.GetFairnessReportResponse) -> results.FairnessReport:
    """Error rates by group."""
    return results.FairnessReport(report_json=response.report_json, report_html=response.report_html)
