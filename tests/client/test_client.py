"""The blocking client against a real channel."""

import dataclasses
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import grpc
import numpy as np
import pytest

from equivox import (
    Band,
    Client,
    Costs,
    Decision,
    DiarizeOptions,
    Embedding,
    EquivoxError,
    Pcm,
    ProfileId,
    Reason,
    TimeSpan,
    WarningKind,
)
from equivox.v1 import audio_pb2
from tests.client.toy_server import Recorder

CLIP = (np.zeros(16000, np.int16), 16000)


def test_embed_returns_every_field_of_the_response(client: Client) -> None:
    result = client.embed(CLIP)
    assert result.embedding.values == pytest.approx((0.6, 0.8))
    assert (result.embedding.band, result.quality.band) == (Band.WIDE, Band.TELEPHONE)
    assert (result.embedding.net_speech_s, result.quality.duration_s) == (2.5, 4.0)


def test_an_embedding_goes_back_as_it_came(client: Client, recorder: Recorder) -> None:
    embedding = client.embed(CLIP).embedding
    client.verify(embedding, CLIP)
    sent = recorder.requests[-1].enrolment.embedding
    assert tuple(sent.values) == embedding.values
    assert (sent.band, sent.snr_db, sent.clipped_share) == (audio_pb2.BAND_WIDE, 20, 0.25)


def test_verify_returns_every_field_of_the_response(client: Client) -> None:
    result = client.verify(CLIP, ProfileId("anna"))
    assert (result.llr, result.threshold_llr, result.score) == (-1.5, 0.5, 0.25)
    assert (result.decision, result.reasons) == (Decision.INCONCLUSIVE, (Reason.NEAR_THRESHOLD,))
    assert (result.enrolment_net_speech_s, result.test_net_speech_s) == (2.0, 3.0)
    assert not result.accepted


def test_verify_sends_a_path_as_its_bytes_and_a_profile_by_name(
    client: Client, recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    client.verify(ProfileId("anna"), tmp_path / "a.wav", policy="strict")
    request = recorder.requests[0]
    assert (request.enrolment.profile_id, request.test.audio.container) == ("anna", b"RIFF")
    assert request.policy.name == "strict"


def test_costs_are_sent_as_costs(client: Client, recorder: Recorder) -> None:
    client.verify(CLIP, CLIP, policy=Costs(prior=0.01, cost_false_accept=10, cost_false_reject=1))
    assert recorder.requests[0].policy.costs.prior == 0.01


def test_identify_returns_matches_and_the_margin_of_a_lone_profile(client: Client, recorder: Recorder) -> None:
    result = client.identify(CLIP, max_matches=3, profile_ids=["anna", "bob"])
    assert result.best is not None
    assert (result.best.profile_id, result.best.margin, result.num_searched) == ("anna", math.inf, 3)
    assert list(recorder.requests[0].profile_ids) == ["anna", "bob"]


def test_diarize_returns_turns_that_render_as_rttm(client: Client, recorder: Recorder) -> None:
    result = client.diarize(CLIP, DiarizeOptions(num_speakers=2, identify=True, policy="lenient"))
    assert result.overlaps == (TimeSpan(1.0, 2.5),)
    assert result.speakers[0].profile is not None
    assert result.to_rttm("call") == "SPEAKER call 1 1.000 1.500 <NA> <NA> S0 <NA> <NA>\n"
    assert (recorder.requests[0].num_speakers, recorder.requests[0].policy.name) == (2, "lenient")


def test_profile_times_are_aware_utc(client: Client) -> None:
    profile = client.profiles.get("anna")
    assert profile.create_time == datetime(2023, 11, 14, 22, 13, 20, 500_000, UTC)
    assert profile.expire_time == datetime.fromtimestamp(1_900_000_000, UTC)


def test_create_sends_the_moment_whatever_its_zone(client: Client, recorder: Recorder) -> None:
    moment = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    client.profiles.create(consent_reference="ticket-1", expire_time=moment)
    assert recorder.requests[0].expire_time.ToDatetime(UTC) == datetime(2030, 1, 1, tzinfo=UTC)


def test_create_refuses_a_moment_without_a_zone(client: Client) -> None:
    with pytest.raises(ValueError, match="time zone"):
        client.profiles.create(consent_reference="t", expire_time=datetime(2030, 1, 1))


def test_enroll_makes_a_fresh_key_for_each_call(client: Client, recorder: Recorder) -> None:
    result = client.profiles.enroll("anna", [CLIP, Pcm(b"\0\0", 8000)])
    client.profiles.enroll("anna", CLIP)
    client.profiles.enroll("anna", CLIP, idempotency_key="mine")
    keys = [request.idempotency_key for request in recorder.requests]
    assert len({uuid.UUID(key) for key in keys[:2]}) == 2
    assert keys[2] == "mine"
    assert [len(request.utterances) for request in recorder.requests] == [2, 1, 1]
    assert (result.warnings[0].kind, result.warnings[0].utterance) == (WarningKind.INCOHERENT, 0)


def test_list_walks_all_pages(client: Client, recorder: Recorder) -> None:
    assert [profile.profile_id for profile in client.profiles.list(page_size=1)] == ["p0", "p1", "p2"]
    assert [request.page_token for request in recorder.requests] == ["", "1", "2"]


def test_delete_tells_how_many_and_export_gives_all(client: Client) -> None:
    assert client.profiles.delete("anna") == 2
    export = client.profiles.export("anna")
    assert (export.profile.profile_id, export.enrolments[0].enrolment_id) == ("anna", 7)
    assert isinstance(export.enrolments[0].embedding, Embedding)


def test_models_are_listed_with_card_and_report(client: Client) -> None:
    assert client.models.list()[0].name == "campplus"
    assert client.models.card("campplus") == "a = 1"
    assert client.models.fairness_report("campplus").report_html == "<p>"


def test_every_call_has_a_deadline(client: Client, recorder: Recorder) -> None:
    client.embed(CLIP)
    client.diarize(CLIP)
    client.embed(CLIP, timeout_s=5)
    # The wire format of a deadline rounds up, a long one to minutes.
    assert recorder.time_remaining_s == [pytest.approx(expected, rel=0.1) for expected in (30, 1800, 5)]


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e20])
def test_a_deadline_that_no_clock_holds_is_none(timeout_s: float, client: Client, recorder: Recorder) -> None:
    client.embed(CLIP, timeout_s=timeout_s)
    client.transcribe_all(CLIP, timeout_s=timeout_s)
    assert min(recorder.time_remaining_s) > 1e6


def test_a_passed_deadline_is_an_error(client: Client, recorder: Recorder) -> None:
    recorder.delay_s = 0.3
    with pytest.raises(EquivoxError) as caught:
        client.embed(CLIP, timeout_s=0.05)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_health_is_per_service_and_false_without_a_server(client: Client) -> None:
    assert client.healthy()
    assert not client.healthy("equivox.v1.Diarization")
    with Client("localhost:1") as nobody:
        assert not nobody.healthy(timeout_s=0.3)


def test_waiting_for_a_service_that_never_comes_ends(client: Client) -> None:
    client.wait_until_healthy(timeout_s=5)
    with pytest.raises(TimeoutError, match=r"0\.2 s"):
        client.wait_until_healthy("equivox.v1.Diarization", timeout_s=0.2)


def test_results_are_frozen(client: Client) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        client.verify(CLIP, CLIP).llr = 0.0  # type: ignore[misc]
