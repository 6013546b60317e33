"""The command line against the toy server of the client's tests."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from svc.cli.app import app
from tests.client.toy_server import Recorder, toy_server

Run = Callable[..., Result]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `equivox` with these arguments on a terminal 100 wide."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("EQUIVOX_SERVER", "EQUIVOX_TOKEN", "EQUIVOX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def remote(run: Run, recorder: Recorder) -> Iterator[Run]:
    """The same, with --server naming the toy."""
    with toy_server(recorder) as target:
        yield lambda *arguments: run(*arguments, "--server", target)
