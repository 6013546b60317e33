"""A pull from a hub, over HTTP, with this machine as the hub."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest

from svc.backends.lockfile import HubSource, PackageSource
from svc.backends.sources import in_package
from svc.backends.store import ModelStore
from svc.errors import ModelUnavailableError
from tests.backends.test_store import CONTENT, entry_of, store_of

HUB = HubSource(repository="somebody/something", file="weights.bin")


class HubHandler(BaseHTTPRequestHandler):
    """One repository with one file, as a hub serves it."""

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        found = self.path == "/somebody/something/resolve/main/weights.bin"
        self.send_response(200 if found else 404)
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(CONTENT) if found else 0))
        self.end_headers()
        if found and with_body:
            self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield
    server.shutdown()
    server.server_close()


def store_with(folder: Path, source: HubSource) -> ModelStore:
    return store_of(folder, entry_of(source))


@pytest.mark.usefixtures("hub")
def test_a_pull_from_a_hub_is_checked_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = store_with(tmp_path, HUB).pull("toy", source="hub")
    assert path.read_bytes() == CONTENT
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == ["weights.bin"]


@pytest.mark.usefixtures("hub")
def test_a_file_the_hub_does_not_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"hub: .*404"):
        store_with(tmp_path, HubSource(repository="somebody/else", file="weights.bin")).pull("toy")


def test_a_file_is_found_in_a_package_without_importing_it() -> None:
    assert in_package(PackageSource(package="svc.backends", file="models.lock.toml")) is not None
    assert in_package(PackageSource(package="svc.backends", file="nothing")) is None
    assert in_package(PackageSource(package="no_such_package", file="x")) is None
