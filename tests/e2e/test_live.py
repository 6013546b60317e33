"""Live transcription by a real server process, with a transcriber of random weights: nonsense words, real life."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from equivox import (
    Client,
    EquivoxError,
    Pcm,
    PcmStream,
    StreamWarning,
    TranscribeOptions,
    Transcript,
    TranscriptionEvent,
)
from svc.models.encoders import ENCODER_KINDS
from svc.types import Waveform
from tests.e2e.server_process import ServerProcess, server_process
from tests.models.toy_transcriber import toy_config
from tests.pipelines.live.test_transcription_by_model import folder_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def live_server(store: object, artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("live"), {"transcription": {"artifact": str(artifact)}}) as running:
        yield running


@pytest.fixture
def client(live_server: ServerProcess) -> Iterator[Client]:
    with Client(live_server.address) as client:
        yield client


def test_chunking_never_changes_the_words_of_real_speech(client: Client, sample: Waveform) -> None:
    speech = (sample.samples[: 12 * sample.sample_rate_hz], sample.sample_rate_hz)
    heard = [client.transcribe_all(speech, TranscribeOptions(chunk_ms=ms)) for ms in (20, 100, 1700)]
    assert heard[0].words == heard[1].words == heard[2].words != ()
    assert [turn.speaker for turn in heard[0].turns] == [turn.speaker for turn in heard[1].turns]
    assert all(0 <= word.start_s <= word.end_s <= 12.0 for word in heard[0].words)


def test_the_transcriber_is_listed_with_its_card(client: Client) -> None:
    [model] = [model for model in client.models.list() if model.role == "transcriber"]
    assert 'kind = "transcriber"' in client.models.card(model.name)
    accepted = Transcript.of(client.transcribe(Pcm(bytes(3200), 16_000))).accepted
    assert accepted is not None
    assert accepted.model_fingerprint == model.fingerprint
    assert 0 < accepted.algorithmic_latency_s <= 0.12


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_any_encoder_is_served_by_one_line(kind: str, store: object, sample: Waveform, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, toy_config(kind).encoder, reluctance=20.0)
    speech = (sample.samples[: 4 * sample.sample_rate_hz], sample.sample_rate_hz)
    with (
        server_process(tmp_path, {"transcription": {"artifact": str(folder)}}) as running,
        Client(running.address) as client,
    ):
        heard = [client.transcribe_all(speech, TranscribeOptions(chunk_ms=ms)) for ms in (20, 1700)]
        [model] = [model for model in client.models.list() if model.role == "transcriber"]
        assert "encoder_flops_per_s" in client.models.card(model.name)
    assert heard[0].words == heard[1].words != ()


def test_second_pass_that_is_not_configured_is_refused_by_name(client: Client) -> None:
    with pytest.raises(EquivoxError) as caught:
        client.transcribe_all(Pcm(bytes(3200), 16_000), TranscribeOptions(second_pass=True))
    assert caught.value.field == "config.second_pass"


def test_metrics_count_streams_and_steps(live_server: ServerProcess, client: Client) -> None:
    client.transcribe_all(Pcm(bytes(32_000), 16_000))
    text = urllib.request.urlopen(live_server.metrics_url).read().decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("equivox_stream"))
    assert float(values["equivox_stream_audio_seconds_total"]) >= 1
    assert float(values["equivox_stream_step_streams_count"]) > 0
    assert float(values["equivox_streams_open"]) == 0


def test_a_server_that_is_told_to_stop_ends_live_streams_well(artifact: Path, tmp_path: Path) -> None:
    with server_process(tmp_path, {"transcription": {"artifact": str(artifact)}}) as running:
        events: list[TranscriptionEvent] = []
        with Client(running.address) as client:

            def listen() -> None:
                events.extend(client.transcribe(PcmStream(chunks=silence(), sample_rate_hz=16_000)))

            listening = threading.Thread(target=listen)
            listening.start()
            while not events:
                time.sleep(0.05)
            code = running.terminate()
            listening.join(10)
    assert (code, listening.is_alive()) == (0, False)
    assert [event.reason for event in events if isinstance(event, StreamWarning)] == ["DRAINING"]


def silence() -> Iterator[bytes]:
    """In real time, without end."""
    while True:
        time.sleep(0.1)
        yield bytes(3200)
