"""Downloads one wheel so that it shows bytes and resumes: `python -m svc.backends.wheel_download` (options of `pip
download`, then one requirement). pip finds the wheel and opens the connection, so its indexes, credentials, proxies and
certificates hold; only the bytes are fetched here, into DEST/NAME.DIGEST.part, which the next attempt goes on from.

Runs as a process of its own, since pip is no library: where another version of pip has moved what is used here it
fails, and the caller falls back on plain `pip download`. Each line it prints is bytes done and bytes in all.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from optparse import Values
from pathlib import Path

from pip._internal.cli.cmdoptions import make_target_python
from pip._internal.commands.download import DownloadCommand
from pip._internal.models.link import Link
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_line
from pip._vendor.requests.exceptions import RequestException
from pip._vendor.requests.models import Response

PIECE_BYTES = 2**18
# A connection that breaks is taken up again so often, if each time at least a byte came.
MAX_ATTEMPTS = 20
OK, FAILED = 0, 1


class WheelDownload(DownloadCommand):
    """`pip download` of one requirement, without its dependencies and without building anything."""

    def run(self, options: Values, args: list[str]) -> int:
        session = self.get_default_session(options)
        finder = self._build_package_finder(options, session, target_python=make_target_python(options))
        wanted = install_req_from_line(args[0]).req
        if wanted is None:
            return FAILED
        best = finder.find_best_candidate(wanted.name, wanted.specifier).best_candidate
        if best is None or not best.link.is_wheel:
            return FAILED
        download = Resumable(session, best.link, Path(options.download_dir))
        return OK if download.run(lambda done, total: print(done, total, flush=True)) else FAILED


@dataclass(frozen=True, slots=True, eq=False)
class Resumable:
    """One file on its way into `folder`. Complete and of the digest the index gives, or not there under its name."""

    session: PipSession
    link: Link
    folder: Path

    @property
    def part(self) -> Path:
        """Told apart by the digest: a part of another build is never gone on from."""
        return self.folder / f"{self.link.filename}.{(self.link.hash or 'unknown')[:16]}.part"

    def run(self, progress: Callable[[int, int], None]) -> bool:
        """Whether the file is there now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(MAX_ATTEMPTS):
            before = self._done()
            try:
                if self._go_on(progress):
                    return self._finish()
            except (RequestException, OSError) as error:
                print(error, file=sys.stderr)
            if self._done() <= before:
                return False
        return False

    def _go_on(self, progress: Callable[[int, int], None]) -> bool:
        """One connection; whether all bytes have come."""
        done = self._done()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        response = self.session.get(self.link.url_without_fragment, headers=headers, stream=True)
        if response.status_code == 416:  # nothing lies past what is there
            return True
        response.raise_for_status()
        done = done if response.status_code == 206 else 0
        total = done + int(response.headers.get("Content-Length", 0))
        self._append(response, done, lambda now: progress(now, max(now, total)))
        return self._done() >= total

    def _append(self, response: Response, done: int, progress: Callable[[int], None]) -> None:
        with self.part.open("r+b" if done else "wb") as out:
            out.seek(done)
            for piece in response.iter_content(PIECE_BYTES):  # type: ignore[no-untyped-call]
                out.write(piece)
                done += len(piece)
                progress(done)

    def _finish(self) -> bool:
        """The wheel under its name; a part that turns out wrong is thrown away, so that nothing is built on it."""
        expected = self.link.hash if self.link.hash_name == "sha256" else None
        with self.part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if expected is not None and digest != expected:
            self.part.unlink()
            print(f"{self.link.filename} has sha256 {digest}, the index says {expected}", file=sys.stderr)
            return False
        self.part.replace(self.folder / self.link.filename)
        return True

    def _done(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


if __name__ == "__main__":
    sys.exit(WheelDownload("download", __doc__ or "").main(sys.argv[1:]))
