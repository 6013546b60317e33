"""A wheel over HTTP, with this machine as a package index that loses its connections."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pip._internal.models.link import Link
from pip._internal.network.session import PipSession

from svc.backends.store import ModelStore
from svc.backends.wheel_download import Resumable
from tests.backends.test_store import CONTENT, WHEEL, entry_of, store_of, write_wheel

# pip's session looks for a keyring through its own pkg_resources, once a process.
pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources is deprecated:DeprecationWarning")


@dataclass
class Index:
    """What the server gives and what it was asked for. It hangs up after `cut_bytes` of an answer, `cuts` times."""

    wheel: bytes
    cut_bytes: int = 10_000
    cuts: int = 0
    ranges: list[str] = field(default_factory=list)
    ranged: bool = True

    @cached_property
    def digest(self) -> str:
        return sha256(self.wheel).hexdigest()

    @cached_property
    def page(self) -> bytes:
        name = "toymodel-1.0-py3-none-any.whl"
        link = f'<a href="/files/{name}#sha256={self.digest}">{name}</a>'
        return f"<!DOCTYPE html><html><body>{link}</body></html>".encode()

    def answer(self, range_header: str) -> tuple[int, bytes]:
        """Status and body."""
        self.ranges.append(range_header)
        start = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header and self.ranged else 0
        return (206 if start else 200), self.wheel[start:]


def handler_of(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_file = self.path.startswith("/files/")
            status, body = index.answer(self.headers.get("Range", "")) if is_file else (200, index.page)
            self.send_response(status)
            self.send_header("Content-Type", "application/zip" if is_file else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = is_file and index.cuts > 0
            index.cuts -= cut
            self.wfile.write(body[: index.cut_bytes] if cut else body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    (tmp_path / "made").mkdir()
    index = Index(write_wheel(tmp_path / "made").read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(index))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "CONFIG_FILE": "/dev/null",
        "INDEX_URL": f"http://127.0.0.1:{server.server_port}/simple",
        "FIND_LINKS": "",
        "EXTRA_INDEX_URL": "",
        "RETRIES": "0",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    yield index
    server.shutdown()
    server.server_close()


@pytest.fixture
def download(index: Index, tmp_path: Path) -> Resumable:
    """The file alone, without pip's search for it."""
    host, name = os.environ["PIP_INDEX_URL"].removesuffix("/simple"), "toymodel-1.0-py3-none-any.whl"
    return Resumable(PipSession(), Link(f"{host}/files/{name}#sha256={index.digest}"), tmp_path / "downloads")


def ignored(done: int, total: int) -> None:
    """No progress wanted."""


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return store_of(tmp_path, entry_of(WHEEL))


def test_a_download_that_is_cut_goes_on_where_it_stopped_and_shows_its_bytes(index: Index, store: ModelStore) -> None:
    index.cuts, index.cut_bytes = 2, 1_000_000
    seen = list[tuple[int, int]]()
    assert store.pull("toy", progress=lambda done, total: seen.append((done, total))).read_bytes() == CONTENT
    assert index.ranges == ["", "bytes=1000000-", "bytes=2000000-"]
    shown = [done for done, total in seen if total == len(index.wheel)]
    assert shown == sorted(shown)
    assert shown[-1] == len(index.wheel)


def test_an_attempt_after_a_failed_one_goes_on_from_its_part(index: Index, download: Resumable) -> None:
    download.folder.mkdir()
    download.part.write_bytes(index.wheel[:5_000])
    assert download.run(ignored)
    assert index.ranges == ["bytes=5000-"]
    assert [path.read_bytes() for path in download.folder.iterdir()] == [index.wheel]


def test_a_server_that_knows_no_ranges_is_asked_for_the_whole(index: Index, download: Resumable) -> None:
    index.ranged = False
    download.folder.mkdir()
    download.part.write_bytes(b"x" * 5_000)
    assert download.run(ignored)
    assert (download.folder / download.link.filename).read_bytes() == index.wheel


def test_a_part_that_turns_out_wrong_is_thrown_away(download: Resumable) -> None:
    download.folder.mkdir()
    download.part.write_bytes(b"x" * 5_000)
    assert not download.run(ignored)
    assert not list(download.folder.iterdir())


def test_a_server_that_gives_nothing_is_given_up(index: Index, download: Resumable) -> None:
    index.cuts, index.cut_bytes = 1_000, 0
    assert not download.run(ignored)
    assert len(index.ranges) == 1
