"""What the fuzzers of the service share: a harness in a folder of its own, and one input after the other through it."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

Input = TypeVar("Input")


class Closable(Protocol):
    def close(self) -> None: ...


Harness = TypeVar("Harness", bound=Closable)


@contextmanager
def in_a_folder(make: Callable[[Path], Harness]) -> Iterator[Harness]:
    """With its database in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, closing(make(Path(folder))) as harness:
        yield harness


def run_all(
    inputs: Iterable[Input],
    run: Callable[[Input], None],
    *,
    written: Callable[[Input], str],
    seed: int,
    report_every: int,
) -> None:
    """A bug comes out as the exception it is, with the input that makes it in its notes."""
    started_s = time.monotonic()
    for number, data in enumerate(inputs, 1):
        try:
            run(data)
        except Exception as error:
            error.add_note(f"input {number} of seed {seed}: {written(data)}")
            raise
        if number % report_every == 0:
            print(f"{number} inputs, {number / (time.monotonic() - started_s):.0f}/s", flush=True)
