"""A server or a network that falls silent without a word: who waits is told."""

import threading
from collections.abc import Iterator

import grpc
import pytest

from equivox import Client, EquivoxError, FinalWord, PcmStream, channel
from svc.config import EquivoxConfig, ServerConfig
from svc.rpc.server import channel_options
from tests.client.silent_path import NetworkPath, path_to


@pytest.fixture
def path(target: str) -> Iterator[NetworkPath]:
    with path_to(target) as path:
        yield path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "KEEPALIVE_S", 0.5)
    monkeypatch.setattr(channel, "KEEPALIVE_TIMEOUT_S", 1.0)


def word_and_pause(over: threading.Event) -> PcmStream:
    """One chunk, then a microphone that has nothing to say."""

    def chunks() -> Iterator[bytes]:
        yield bytes(1600)
        over.wait(20)

    return PcmStream(chunks=chunks(), sample_rate_hz=8_000)


@pytest.mark.usefixtures("impatient")
def test_a_stream_whose_path_falls_silent_ends(path: NetworkPath) -> None:
    over = threading.Event()
    with Client(path.target) as client:
        events = client.transcribe(word_and_pause(over))
        assert any(isinstance(event, FinalWord) for event in events)
        path.silent.set()
        with pytest.raises(EquivoxError) as caught:
            list(events)
        over.set()
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("keepalive_s", [1.0, 30.0, 3600.0])
def test_no_server_takes_our_questions_for_abuse(keepalive_s: float) -> None:
    options = dict(channel_options(EquivoxConfig(server=ServerConfig(keepalive_s=keepalive_s))))
    assert 2 * options["grpc.http2.min_ping_interval_without_data_ms"] <= 1000 * channel.KEEPALIVE_S
