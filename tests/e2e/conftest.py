"""A real server with the real models, shared by the whole session, and real speech to send it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from equivox import Client
from svc.backends.store import ModelStore
from svc.types import Waveform
from tests.bench import clips
from tests.e2e.server_process import ServerProcess, server_process
from training.data.audio_files import load_waveform


@pytest.fixture(scope="session")
def server(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`equivox serve` with default settings on a free port, ready. Do not stop it: others use it too."""
    with server_process(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """30 s of two talkers that ship inside pyannote.audio."""
    return clips.sample_path()


@pytest.fixture(scope="session")
def sample(sample_path: Path) -> Waveform:
    return load_waveform(sample_path)
