"""Fixtures of the pipelines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.enrolled_voices import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Real enrolment, verification and identification over an empty store."""
    made = Service(tmp_path / "profiles.sqlite3")
    yield made
    made.close()
