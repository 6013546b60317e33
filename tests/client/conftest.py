"""The toy server and a client of it."""

from collections.abc import Iterator

import pytest

from equivox import Client
from tests.client.toy_server import Recorder, toy_server


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def target(recorder: Recorder) -> Iterator[str]:
    with toy_server(recorder) as address:
        yield address


@pytest.fixture
def client(target: str) -> Iterator[Client]:
    with Client(target) as client:
        yield client
