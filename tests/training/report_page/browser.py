"""A real browser without a window, kept off every network."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
# No sandbox: CI runs as root, and the page is ours.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND")


class Browser:
    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder

    def document(self, page: Path, *, width: int = 1200) -> str:
        """What the page has become once it is laid out at this width."""
        return self._run(page, f"--window-size={width},2000", "--dump-dom")

    def picture(self, page: Path, *, width: int) -> bytes:
        """A PNG of the top."""
        path = self.folder / f"{page.stem}-{width}.png"
        self._run(page, f"--window-size={width},2000", f"--screenshot={path}")
        return path.read_bytes()

    def print_out(self, page: Path) -> bytes:
        """A PDF."""
        path = self.folder / f"{page.stem}.pdf"
        self._run(page, f"--print-to-pdf={path}")
        return path.read_bytes()

    def _run(self, page: Path, *options: str) -> str:
        command = [self.program, *FLAGS, f"--user-data-dir={self.folder / 'profile'}", *options, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def find_browser(folder: Path) -> Browser:
    """Skips where there is none; in CI only if .ci/run said why it could not install one."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        why = os.environ.get("EQUIVOX_NO_BROWSER")
        if os.environ.get("CI") and not why:
            pytest.fail("no browser: apt-get install chromium-headless-shell")
        pytest.skip(f"no browser: {why or 'apt-get install chromium-headless-shell'}")
    return Browser(program, folder)
