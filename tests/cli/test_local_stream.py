"""A live transcription in this process gives what a server gives, and ends when it should."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

import pytest

from equivox import Client, EquivoxError, PcmStream, TranscribeOptions
from equivox.stream_audio import to_source
from equivox.streaming import LiveCall
from equivox.v1.transcription_pb2 import TranscribeRequest, TranscribeResponse
from svc.cli.local import YEAR_S, LocalTransport, run_here
from svc.cli.local_stream import asking
from svc.config import TranscriptionConfig
from tests.rpc.tiny_application import TinyApplication, tiny_config
from tests.rpc.toy_transcriber import talk

SPEECH = talk()


@pytest.fixture
def application(tmp_path: Path) -> TinyApplication:
    transcription = TranscriptionConfig(max_streams=1, max_speed=0.0, idle_timeout_s=YEAR_S)
    return TinyApplication(tiny_config(tmp_path, transcription=transcription))


@pytest.fixture
def client(application: TinyApplication) -> Iterator[Client]:
    with Client.over(LocalTransport(application)) as client:
        yield client


def test_all_words_are_heard(client: Client, application: TinyApplication) -> None:
    transcript = client.transcribe_all((SPEECH, 16_000))
    assert sorted(word.text for word in transcript.words) == ["one", "one", "three", "three", "two", "two"]
    assert not application.transcriber.held


def test_chunking_never_changes_the_words(client: Client) -> None:
    words = [client.transcribe_all((SPEECH, 16_000), TranscribeOptions(chunk_ms=ms)).words for ms in (13, 100, 2000)]
    assert words[0] == words[1] == words[2]


def test_leaving_early_frees_the_stream_though_its_source_never_ends(
    client: Client, application: TinyApplication
) -> None:
    left, ended = threading.Event(), threading.Event()

    def microphone() -> Iterator[bytes]:
        yield (SPEECH * 32_767).astype("<i2").tobytes()
        left.wait(60)
        ended.set()

    events = client.transcribe(PcmStream(chunks=microphone(), sample_rate_hz=16_000))
    assert len(list(islice(events, 3))) == 3
    events.close()  # type: ignore[attr-defined]
    assert not application.transcriber.held
    assert not ended.is_set()
    left.set()


def test_a_refusal_is_the_error_a_server_gives(client: Client) -> None:
    with pytest.raises(EquivoxError) as caught:
        client.transcribe_all((SPEECH, 4_000))
    assert (caught.value.reason, caught.value.field) == ("RATE_UNSUPPORTED", "config.sample_rate_hz")


def test_what_the_source_raises_comes_back(client: Client) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(3200)
        raise OSError("the microphone is gone")

    with pytest.raises(OSError, match="microphone"):
        client.transcribe_all(PcmStream(chunks=broken(), sample_rate_hz=16_000))


async def test_a_caller_that_breaks_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is reported by its thread; nobody waits for ever."""
    raised: SimpleQueue[threading.ExceptHookArgs] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", raised.put)

    def broken(call: LiveCall) -> Iterator[TranscribeRequest]:
        yield TranscribeRequest()
        raise ZeroDivisionError

    monkeypatch.setattr(LiveCall, "requests", broken)
    call = LiveCall(to_source((SPEECH, 16_000)), TranscribeOptions())
    async with asyncio.timeout(10):
        assert len([request async for request in asking(call)]) == 1
    assert raised.get(timeout=10).exc_type is ZeroDivisionError


@pytest.fixture
def heeding_ctrl_c() -> Iterator[None]:
    """A process started in the background by a shell is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_ctrl_c_ends_work_that_never_awaits() -> None:
    done = []

    async def work() -> TranscribeResponse:
        signal.raise_signal(signal.SIGINT)
        done.append("too late")
        return TranscribeResponse()

    with pytest.raises(KeyboardInterrupt):
        run_here(work())
    assert done == []
