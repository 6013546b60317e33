"""What the commands of this package share: where their data lies, and how a caller's mistake is told."""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

from svc.config import default_cache
from svc.errors import ServiceError
from training.data.manifest import data_root

Value = TypeVar("Value", int, float, str)

OUR_PACKAGES = ("svc", "training", "protos", "equivox")
# Exit status after Ctrl-C, as shells have it.
INTERRUPTED = 128 + 2


def add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=data_root(), help="folder of manifest.csv (default $EQUIVOX_DATA)")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Of the data, and of what is made of it once."""
    add_root(parser)
    parser.add_argument("--cache", type=Path, default=default_cache() / "training", help="decoded speech is kept here")


def check_file(file: Path) -> None:
    """Raises OSError where the file can never be written."""
    if file.is_dir():
        raise OSError(f"{file} is a folder: name a file in it")
    check_folder(file.parent)


def check_folder(folder: Path) -> None:
    """Raises OSError where nothing can be written in the folder, which need not be there yet."""
    there = folder.absolute()
    try:
        while not there.exists():
            there = there.parent
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(f"cannot write in {folder}: {there}: {error.strerror}") from error


def _to_write(check: Callable[[Path], None]) -> Callable[[str], Path]:
    def checked(given: str) -> Path:
        try:
            check(Path(given))
        except OSError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return Path(given)

    return checked


folder_to_write, file_to_write = _to_write(check_folder), _to_write(check_file)
"""Types of options: where something will be written after long work. They end the program where it never can be, and
ask for no folder to be there yet."""


def positive(given: str) -> int:
    """The type of an option that counts something there must be."""
    if not given.isdigit() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"must be positive, not {given}")
    return int(given)


def from_zero(given: str) -> int:
    """The type of an option that counts something there need not be, and of a seed."""
    if not given.isdigit():
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {given}")
    return int(given)


def whole_numbers(given: str) -> tuple[int, ...]:
    """The type of an option that takes them by commas, each once."""
    if not all(number.isdigit() for number in given.split(",")):
        raise argparse.ArgumentTypeError(f"must be whole numbers by commas, not {given}")
    return _each_once([int(number) for number in given.split(",")])


def positive_numbers(given: str) -> tuple[float, ...]:
    """The type of an option that takes them by commas, each once."""
    try:
        numbers = [float(number) for number in given.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number < math.inf for number in numbers):
        raise argparse.ArgumentTypeError(f"must be positive numbers by commas, not {given}")
    return _each_once(numbers)


def names_among(known: Collection[str], what: str) -> Callable[[str], tuple[str, ...]]:
    """The type of an option that takes names by commas, each once; one there is not ends the program."""

    def checked(given: str) -> tuple[str, ...]:
        names = given.split(",")
        if unknown := sorted(set(names) - set(known)):
            raise argparse.ArgumentTypeError(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
        return _each_once(names)

    return checked


def _each_once(given: Sequence[Value]) -> tuple[Value, ...]:
    """Raises ArgumentTypeError naming what is there twice."""
    if repeated := [str(value) for value, times in Counter(given).items() if times > 1]:
        raise argparse.ArgumentTypeError(f"give {', '.join(repeated)} once")
    return tuple(given)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """The caller's mistakes end the program with one line and status 1, Ctrl-C with 130; a bug stays a bug."""
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}")
    except (ServiceError, ValueError) as error:
        sys.exit(f"error: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"error: {not_installed(error)}")


def not_installed(error: ModuleNotFoundError) -> str:
    """What to do about a package that is missing. One of ours is a bug: raises the error again."""
    if (error.name or "").partition(".")[0] in OUR_PACKAGES:
        raise error
    return f"{error.name} is not installed: {installation('training')}"


def installation(extra: str) -> str:
    """The command that installs what an extra asks for."""
    return f"pip install 'equivox[{extra}]', from a checkout '.[{extra}]'"
