"""A fresh store per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from svc.profiles.encryption import new_key
from svc.profiles.sqlite import SqliteProfileStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the store of the test lives."""
    return tmp_path / "profiles.sqlite3"


@pytest.fixture
def store(database: Path) -> Iterator[SqliteProfileStore]:
    """An encrypted store."""
    with SqliteProfileStore(database, key=new_key()) as opened:
        yield opened
