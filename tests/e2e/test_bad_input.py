"""Every mistake a caller can make gets an error of its own from the real server, and the server goes on."""

import io
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile as sf

from equivox import Client, Container, DiarizeOptions, EquivoxError, Pcm, ProfileId
from svc.types import FloatArray, Waveform
from tests.e2e.server_process import ServerProcess

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
RATE_HZ = 16_000


def file_of(samples: FloatArray, file_format: str = "WAV", **options: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    sf.write(file, samples, RATE_HZ, format=file_format, **options)
    return file.getvalue()


NOISE = np.random.default_rng(0).normal(0, 0.05, 3 * RATE_HZ).astype(np.float32)
SILENCE = np.zeros(RATE_HZ, np.float32)
STEREO = np.stack([NOISE, NOISE], axis=1)
BAD_AUDIO: dict[str, tuple[Any, str]] = {
    "empty": (b"", "AUDIO_MISSING"),
    "words": (b"Dear server, this is not audio at all." * 100, "AUDIO_FORMAT"),
    "half a WAV": (file_of(NOISE)[:30_000], "AUDIO_TRUNCATED"),
    "half a FLAC": (file_of(NOISE, "FLAC")[:20_000], "AUDIO_TRUNCATED"),
    "half an Opus": (file_of(NOISE, "OGG", subtype="OPUS")[:3_000], "AUDIO_TRUNCATED"),
    "silence": (file_of(SILENCE), "TOO_LITTLE_SPEECH"),
    "noise": (file_of(NOISE), "TOO_LITTLE_SPEECH"),
    "stereo without a choice": (file_of(STEREO), "CHANNEL_REQUIRED"),
    "no such channel": (Container(file_of(STEREO), channel=2), "CHANNEL_REQUIRED"),
    "another rate declared": (Container(file_of(NOISE), declared_sample_rate_hz=8000), "RATE_MISMATCH"),
    "rate too low": (Pcm(NOISE, 4000), "RATE_UNSUPPORTED"),
    "rate too high": (Pcm(NOISE, 96_000), "RATE_UNSUPPORTED"),
    "NaN": (Pcm(np.where(NOISE > 0.1, np.nan, NOISE).astype(np.float32), RATE_HZ), "AUDIO_NOT_FINITE"),
    "odd bytes": (Pcm(b"abc", RATE_HZ), "AUDIO_TRUNCATED"),
}


@pytest.mark.parametrize("name", BAD_AUDIO)
@pytest.mark.parametrize("method", ["embed", "verify", "identify"])
def test_bad_audio_is_refused_alike_by_every_method(client: Client, name: str, method: str) -> None:
    audio, reason = BAD_AUDIO[name]
    call: Callable[..., Any] = getattr(client, method)
    with pytest.raises(EquivoxError) as caught:
        call(audio, audio) if method == "verify" else call(audio)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert caught.value.field


def test_a_bad_utterance_enrols_none_and_is_pointed_at(client: Client, sample: Waveform) -> None:
    good = (sample.samples[: 10 * RATE_HZ], RATE_HZ)
    client.profiles.create(profile_id="bad-utterance", consent_reference="e2e")
    with pytest.raises(EquivoxError) as caught:
        client.profiles.enroll("bad-utterance", [good, (SILENCE, RATE_HZ)])
    assert caught.value.reason == "TOO_LITTLE_SPEECH"
    assert "1" in caught.value.field
    assert client.profiles.get("bad-utterance").num_enrolments == 0
    client.profiles.delete("bad-utterance")


def test_an_empty_profile_cannot_be_verified_against(client: Client, sample: Waveform) -> None:
    client.profiles.create(profile_id="empty", consent_reference="e2e")
    with pytest.raises(EquivoxError) as caught:
        client.verify(ProfileId("empty"), (sample.samples, RATE_HZ))
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PROFILE_EMPTY")
    client.profiles.delete("empty")


def test_a_silent_recording_has_no_turns(client: Client) -> None:
    result = client.diarize((SILENCE, RATE_HZ))
    assert (result.turns, result.speakers) == ((), ())


def test_contradictory_numbers_of_speakers_are_refused(client: Client, sample: Waveform) -> None:
    with pytest.raises(EquivoxError) as caught:
        client.diarize((sample.samples, RATE_HZ), DiarizeOptions(num_speakers=2, max_speakers=3))
    assert caught.value.reason == "INVALID_REQUEST"


def test_the_server_is_still_well_after_all_that(client: Client, server: ServerProcess, sample: Waveform) -> None:
    assert client.embed((sample.samples, RATE_HZ)).quality.net_speech_s > 5
    assert not [line for line in server.log if line["event"] in ("bug", "raw")]
