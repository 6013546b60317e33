"""Live transcription over a real channel: every kind of bad input, and sounds that are no speech."""

import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc import StatusCode

from equivox.v1.audio_pb2 import (
    PCM_ENCODING_MULAW,
)
from equivox.v1.transcription_pb2 import TranscribeConfig, TranscribeRequest
from equivox.v1.verification_pb2 import Policy
from svc.rpc.server import Server
from svc.types import FloatArray
from tests.rpc.live import CONFIG, KEEP_ALIVE, answered_by, chunks, transcribe
from tests.rpc.speech import RATE_HZ
from tests.rpc.toy_server import detail_of, reason_of
from tests.rpc.toy_transcriber import SPEECH, talk


def config(**changes: object) -> TranscribeRequest:
    """CONFIG with other fields."""
    request = TranscribeRequest()
    request.CopyFrom(CONFIG)
    request.config.MergeFrom(TranscribeConfig(**changes))  # type: ignore[arg-type]
    return request


NOT_FINITE = np.where(np.arange(1600) == 7, np.nan, 0).astype(np.float32)


WRONG_CONFIGS: dict[str, tuple[dict[str, object], str, str]] = {
    "no encoding": ({"encoding": 17}, "INVALID_REQUEST", "config.encoding"),
    "4 kHz": ({"sample_rate_hz": 4_000}, "RATE_UNSUPPORTED", "config.sample_rate_hz"),
    "96 kHz": ({"sample_rate_hz": 96_000}, "RATE_UNSUPPORTED", "config.sample_rate_hz"),
    "stereo without a channel": ({"num_channels": 2}, "CHANNEL_REQUIRED", "config.channel"),
    "no such channel": ({"num_channels": 2, "channel": 2}, "CHANNEL_REQUIRED", "config.channel"),
    "a hundred channels": ({"num_channels": 100, "channel": 0}, "CHANNEL_REQUIRED", "config.num_channels"),
    "unknown policy": ({"identify": True, "policy": Policy(name="whatever")}, "POLICY_UNKNOWN", "config.policy.name"),
}


@pytest.mark.parametrize("name", WRONG_CONFIGS)
async def test_a_wrong_config_names_its_field(server: Server, name: str) -> None:
    changes, reason, field = WRONG_CONFIGS[name]
    answered = await transcribe(server, [config(**changes)])
    error = answered.refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, reason)
    assert detail_of(error, BadRequest).field_violations[0].field == field
    assert answered.events == []


WRONG_STREAMS: dict[str, tuple[list[TranscribeRequest], str, str]] = {
    "audio before config": (chunks(SPEECH), "PROTOCOL", "config"),
    "keep_alive before config": ([KEEP_ALIVE], "PROTOCOL", "config"),
    "nothing at all": ([], "PROTOCOL", "config"),
    "config twice": ([CONFIG, CONFIG], "PROTOCOL", "config"),
    "config amid audio": ([CONFIG, *chunks(SPEECH), CONFIG], "PROTOCOL", "config"),
    "an empty message": ([CONFIG, TranscribeRequest()], "INVALID_REQUEST", "audio"),
    "an empty chunk": ([CONFIG, TranscribeRequest(audio=b"")], "AUDIO_MISSING", "audio"),
    "half a sample": ([CONFIG, TranscribeRequest(audio=b"\0" * 6)], "AUDIO_TRUNCATED", "audio"),
    "NaN": ([CONFIG, *chunks(NOT_FINITE)], "AUDIO_NOT_FINITE", "audio"),
    "integers as floats": ([CONFIG, *chunks(SPEECH * 32_768)], "AUDIO_FORMAT", "audio"),
    "more than 2 s": ([CONFIG, *chunks(SPEECH, 32_001)], "AUDIO_TOO_LONG", "audio"),
}


@pytest.mark.parametrize("name", WRONG_STREAMS)
async def test_a_wrong_message_names_its_field(server: Server, name: str) -> None:
    requests, reason, field = WRONG_STREAMS[name]
    error = (await transcribe(server, requests)).refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, reason)
    assert detail_of(error, BadRequest).field_violations[0].field == field
    assert len(error.details() or "") > 20


async def test_a_chunk_of_100_seconds_is_refused_by_name(server: Server) -> None:
    asked = TranscribeRequest(config=TranscribeConfig(encoding=PCM_ENCODING_MULAW, sample_rate_hz=8_000))
    error = (await transcribe(server, [asked, TranscribeRequest(audio=bytes(800_000))])).refusal()
    assert (reason_of(error), "100.000 s" in str(error.details())) == ("AUDIO_TOO_LONG", True)


async def test_bytes_that_are_no_message_are_refused_as_such(server: Server) -> None:
    error = (await answered_by(server, [b"\xff" * 9], bytes)).refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_mistake_costs_no_words_said_before_it(server: Server) -> None:
    good = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    spoilt = await transcribe(server, [CONFIG, *chunks(SPEECH), CONFIG])
    assert spoilt.words() == good.words()
    assert spoilt.kinds()[-1] == "turn_end"


TIME_S = np.arange(RATE_HZ) / RATE_HZ


SOUNDS: dict[str, FloatArray] = {
    "silence": np.zeros(RATE_HZ, np.float32),
    "music": 0.2 * np.sin(np.outer(TIME_S, [1646, 2073, 2463])).sum(axis=1).astype(np.float32),  # a chord of C
    "clipping": np.clip(50 * SPEECH, -1, 1),
    "8 kHz declared as 16": talk(rate_hz=8_000),
    "noise": np.random.default_rng(0).normal(0, 0.2, RATE_HZ).astype(np.float32),
}


TOLD = {
    "silence": {"SILENCE"},
    "music": {"BAND_MISMATCH"},  # nothing of this chord is above 4 kHz
    "clipping": {"CLIPPED"},
    "8 kHz declared as 16": {"RATE_SUSPECT"},
    "noise": set(),
}


@pytest.mark.parametrize("name", SOUNDS)
async def test_odd_sounds_are_answered_all_the_same_and_told_of(server: Server, name: str) -> None:
    sound = np.resize(SOUNDS[name], 12 * RATE_HZ)
    answered = await transcribe(server, [CONFIG, *chunks(sound)])
    assert answered.error is None
    assert answered.kinds().count("turn_start") == answered.kinds().count("turn_end")
    assert {event.warning.reason for event in answered.events if event.HasField("warning")} == TOLD[name]
