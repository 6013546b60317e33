"""What the commands of this package share: where their data lies, and how a caller's mistake is told."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svc.config import default_cache
from svc.errors import ServiceError
from training.data.manifest import data_root


def add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=data_root(), help="folder of manifest.csv (default $EQUIVOX_DATA)")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Of the data, and of what is made of it once."""
    add_root(parser)
    parser.add_argument("--cache", type=Path, default=default_cache() / "training", help="decoded speech is kept here")


@contextmanager
def mistakes_told() -> Iterator[None]:
    """The caller's mistakes end the program with one line and status 1; a bug stays a bug."""
    try:
        yield
    except (ServiceError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
