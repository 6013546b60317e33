"""A disk without room, as far as this process can tell."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.test_schema import change
from tests.profiles.voices import enrolled

LIMIT_BYTES = 500_000


@contextmanager
def full_disk() -> Iterator[None]:
    """The kernel refuses to write any file past LIMIT_BYTES meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def make_large(database: Path, *, num_people: int = 30) -> None:
    """A database without a key whose people lie past LIMIT_BYTES: its log has room for them, but the file has none."""
    with SqliteProfileStore(database, key=None):
        pass
    change(database, f"INSERT INTO meta VALUES ('ballast', zeroblob({2 * LIMIT_BYTES}))")
    with SqliteProfileStore(database, key=None) as store:
        for number in range(num_people):
            enrolled(store, f"p{number}", number)
