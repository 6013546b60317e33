"""Keeps a live transcription open while its caller has nothing to send: a microphone is off, a talker thinks."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from equivox.stream_audio import KEEP_ALIVE, Control


@dataclass(frozen=True, slots=True)
class _Ended:
    """The caller's iterator is over; `error` is what it raised."""

    error: Exception | None = None


def kept_alive(pieces: Iterable[bytes | Control], every_s: float) -> Iterator[bytes | Control]:
    """The pieces, and a keep-alive whenever none came for `every_s`.

    A thread of its own waits for them, one at a time and none before it is asked for. It is a daemon: the iterator may
    block for ever.
    """
    asked = threading.Semaphore(0)
    answers: queue.SimpleQueue[bytes | Control | _Ended] = queue.SimpleQueue()
    over = threading.Event()
    threading.Thread(target=_pull, args=(pieces, asked, answers, over), name="chunks", daemon=True).start()
    try:
        while True:
            asked.release()
            while (piece := _within(answers, every_s)) is None:
                yield KEEP_ALIVE
            if isinstance(piece, _Ended):
                if piece.error is not None:
                    raise piece.error
                return
            yield piece
    finally:
        over.set()
        asked.release()


def ordinary(error: BaseException) -> Exception:
    """What the caller's iterator raised, such that no thread but the caller's ends by it."""
    if isinstance(error, Exception):
        return error
    wrapped = RuntimeError(f"the iterator of chunks raised {error!r}")
    wrapped.__cause__ = error
    return wrapped


def _within(
    answers: "queue.SimpleQueue[bytes | Control | _Ended]", timeout_s: float
) -> bytes | Control | _Ended | None:
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return None


def _pull(
    pieces: Iterable[bytes | Control],
    asked: threading.Semaphore,
    answers: "queue.SimpleQueue[bytes | Control | _Ended]",
    over: threading.Event,
) -> None:
    try:
        iterator = iter(pieces)
        while asked.acquire() and not over.is_set():
            answers.put(next(iterator))
    except StopIteration:
        answers.put(_Ended())
    except BaseException as error:  # whatever it is, it is the caller's to see
        answers.put(_Ended(ordinary(error)))
