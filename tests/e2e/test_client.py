"""The client against a real server with the real models: what a backend engineer does, over the wire."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest

from equivox import AsyncClient, Client, Costs, Decision, DiarizeOptions, EquivoxError, Pcm, ProfileId, WarningKind
from svc.pipelines.rttm import read_rttm
from svc.types import Waveform
from tests.e2e.server_process import ServerProcess
from training.demo_people import Person, cut_people

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def people(sample: Waveform, sample_path: Path) -> tuple[Person, ...]:
    [turns] = read_rttm(sample_path.with_suffix(".rttm")).values()
    return cut_people(sample.samples, sample.sample_rate_hz, turns)


@pytest.fixture
def anna(client: Client, people: tuple[Person, ...]) -> Iterator[str]:
    """A profile of the first talker, deleted afterwards if the test did not."""
    profile_id = f"anna-{uuid.uuid4().hex[:8]}"
    client.profiles.create(profile_id=profile_id, consent_reference="e2e")
    client.profiles.enroll(profile_id, people[0].enrolment_clips)
    yield profile_id
    if any(profile.profile_id == profile_id for profile in client.profiles.list()):
        client.profiles.delete(profile_id)


def test_a_file_its_bytes_and_its_samples_give_one_embedding(
    client: Client, sample_path: Path, sample: Waveform
) -> None:
    whole = client.embed(sample_path).embedding
    assert np.linalg.norm(whole.values) == pytest.approx(1, abs=1e-4)
    for other in (str(sample_path), sample_path.read_bytes(), Pcm(sample.samples, sample.sample_rate_hz)):
        assert np.dot(whole.values, client.embed(other).embedding.values) == pytest.approx(1, abs=1e-5)


def test_right_and_wrong_person_get_their_decisions(client: Client, people: tuple[Person, ...], anna: str) -> None:
    right = client.verify(ProfileId(anna), people[0].test_clip)
    wrong = client.verify(ProfileId(anna), people[1].test_clip)
    assert (right.decision, wrong.decision) == (Decision.ACCEPT, Decision.REJECT)
    assert wrong.llr < 0 < right.llr


def test_an_embedding_kept_by_the_caller_scores_as_its_clip_does(client: Client, people: tuple[Person, ...]) -> None:
    first, second = (person.test_clip for person in people)
    kept = client.embed(first).embedding
    assert client.verify(kept, second).llr == pytest.approx(client.verify(first, second).llr, abs=1e-3)


def test_own_costs_move_the_threshold_to_where_bayes_puts_it(client: Client, people: tuple[Person, ...]) -> None:
    clip = people[0].test_clip
    costs = Costs(prior=0.01, cost_false_accept=10, cost_false_reject=1)
    assert client.verify(clip, clip, policy=costs).threshold_llr == pytest.approx(np.log(10 * 0.99 / 0.01))


def test_identify_finds_the_enrolled_and_nobody_else(client: Client, people: tuple[Person, ...], anna: str) -> None:
    found = client.identify(people[0].test_clip, profile_ids=[anna])
    assert found.best is not None
    assert found.best.profile_id == anna
    assert client.identify(people[1].test_clip, profile_ids=[anna]).matches == ()


def test_a_profile_lives_as_the_contract_says(client: Client, people: tuple[Person, ...], anna: str) -> None:
    export = client.profiles.export(anna)
    assert len(export.enrolments) == export.profile.num_enrolments == len(people[0].enrolment)
    assert client.profiles.delete(anna) == len(export.enrolments)
    with pytest.raises(EquivoxError) as caught:
        client.verify(ProfileId(anna), people[0].test_clip)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.NOT_FOUND, "PROFILE_NOT_FOUND")
    # What was exported still verifies: the caller may keep it.
    assert client.verify(export.enrolments[0].embedding, people[0].test_clip).accepted


def test_an_enrolment_repeated_under_its_key_adds_nothing(
    client: Client, people: tuple[Person, ...], anna: str
) -> None:
    clip = people[0].test_clip
    first = client.profiles.enroll(anna, clip, idempotency_key="once")
    assert client.profiles.enroll(anna, clip, idempotency_key="once").profile == first.profile
    with pytest.raises(EquivoxError) as caught:
        client.profiles.enroll(anna, people[1].test_clip, idempotency_key="once")
    assert caught.value.reason == "IDEMPOTENCY_CONFLICT"


def test_a_wrong_voice_among_the_utterances_is_pointed_out(
    client: Client, people: tuple[Person, ...], anna: str
) -> None:
    warnings = client.profiles.enroll(anna, people[1].test_clip).warnings
    assert WarningKind.INCOHERENT in {warning.kind for warning in warnings}


def test_consent_that_runs_out_ends_in_the_future_only(client: Client) -> None:
    with pytest.raises(EquivoxError) as caught:
        client.profiles.create(consent_reference="e2e", expire_time=datetime.now(UTC) - timedelta(days=1))
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_recording_is_diarized_and_its_speakers_are_named(client: Client, sample_path: Path, anna: str) -> None:
    options = DiarizeOptions(num_speakers=2, with_embeddings=True, identify=True)
    result = client.diarize(sample_path, options)
    assert [speaker.label for speaker in result.speakers] == ["S0", "S1"]
    assert all(speaker.embedding for speaker in result.speakers)
    named = [speaker.profile.profile_id for speaker in result.speakers if speaker.profile]
    assert named == [anna]


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (b"not audio at all", "AUDIO_FORMAT"),
        (Pcm(b"\0\0\0", 16000), "AUDIO_TRUNCATED"),
        (Pcm(np.zeros((16000, 2), np.int16), 16000), "CHANNEL_REQUIRED"),
        (Pcm(np.full(16000, np.nan, np.float32), 16000), "AUDIO_NOT_FINITE"),
        (Pcm(np.zeros(16000, np.int16), 4000), "RATE_UNSUPPORTED"),
        (Pcm(np.zeros(16000, np.int16), 16000), "TOO_LITTLE_SPEECH"),
    ],
)
def test_bad_audio_names_its_reason_and_field(audio: bytes | Pcm, reason: str, client: Client) -> None:
    with pytest.raises(EquivoxError) as caught:
        client.embed(audio)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert caught.value.field.startswith("audio")


def test_what_the_server_runs_is_what_answers_carry(client: Client, people: tuple[Person, ...]) -> None:
    models = {model.role: model for model in client.models.list()}
    result = client.verify(people[0].test_clip, people[1].test_clip)
    assert models["embedder"].fingerprint == result.model_fingerprint
    assert models["calibration"].name == result.calibration_id
    assert "licence" in client.models.card(models["embedder"].name)


async def test_many_calls_at_once_give_the_answers_of_one(server: ServerProcess, people: tuple[Person, ...]) -> None:
    clips = [person.test_clip for person in people] * 8
    async with AsyncClient(server.address) as client:
        await client.wait_until_healthy("equivox.v1.Verification")
        answers = await asyncio.gather(*(client.embed(clip) for clip in clips))
    for number, answer in enumerate(answers):
        assert np.dot(answer.embedding.values, answers[number % 2].embedding.values) == pytest.approx(1, abs=1e-5)
