"""One side of a trial as text: which stretches of which recordings, joined, and how the result is degraded.

    saa/a/a.opus                                   a whole recording
    saa/a/a.opus#t=1.25,3.25                       seconds 1.25 to 3.25 of it (a W3C media fragment)
    wuw/b/1_001.opus|wuw/b/1_002.opus              two recordings joined
    saa/a/a.opus#t=1.25,3.25|degrade:snr_db=12.5&noise=noise/rain/1.opus&telephone=1

So a trial list describes all its audio and none need be written.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlencode

import numpy as np

from svc.errors import ChannelError, InvalidRequestError
from svc.types import Span, Waveform
from training.data.audio_files import load_waveform
from training.data.augment import Degradation, degrade

DEGRADE = "degrade:"
CACHED_RECORDINGS = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording; no span = all of it."""

    path: str
    span: Span | None = None

    def __str__(self) -> str:
        return f"{self.path}#t={self.span.start_s:.10g},{self.span.end_s:.10g}" if self.span else self.path


@dataclass(frozen=True, slots=True)
class Segment:
    """Pieces joined in order, then degraded."""

    pieces: tuple[Piece, ...]
    degradation: Degradation | None = None

    @property
    def paths(self) -> set[str]:
        """Of all files it is read from."""
        noise = self.degradation.noise if self.degradation else ""
        return {piece.path for piece in self.pieces} | ({noise} if noise else set())

    def __str__(self) -> str:
        recipe = [_degradation_text(self.degradation)] if self.degradation else []
        return "|".join([*map(str, self.pieces), *recipe])


def parse_segment(text: str) -> Segment:
    """The inverse of str(). Raises InvalidRequestError naming the part at fault."""
    parts = text.split("|")
    degradation = _degradation(parts.pop().removeprefix(DEGRADE)) if parts[-1].startswith(DEGRADE) else None
    if not parts or not all(parts):
        raise InvalidRequestError(f"{text!r} names no recording", field="segment")
    return Segment(tuple(map(_piece, parts)), degradation)


class SegmentReader:
    """Reads segments from the folder their paths are relative to; recordings used again soon are decoded once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._load = lru_cache(CACHED_RECORDINGS)(self._load_uncached)

    def parse(self, text: str) -> Segment:
        """As parse_segment, but a file of exactly that name wins, and every file named must be there."""
        segment = Segment((Piece(text),)) if (self.root / text).is_file() else parse_segment(text)
        noises = [segment.degradation.noise] if segment.degradation and segment.degradation.noise else []
        for path in [*(piece.path for piece in segment.pieces), *noises]:
            if not (self.root / path).is_file():
                raise InvalidRequestError(f"no such file: {self.root / path}", field="segment")
        return segment

    def read(self, segment: Segment) -> Waveform:
        """All pieces must be of one sample rate, which the answer keeps unless it is degraded."""
        waveforms = [self._cut(piece) for piece in segment.pieces]
        rates_hz = {waveform.sample_rate_hz for waveform in waveforms}
        if len(rates_hz) > 1:
            raise InvalidRequestError(f"{segment} joins sample rates {sorted(rates_hz)}", field="segment")
        joined = Waveform(np.concatenate([waveform.samples for waveform in waveforms]), rates_hz.pop())
        recipe = segment.degradation
        if recipe is None:
            return joined
        return degrade(joined, recipe, self._load(recipe.noise) if recipe.noise else None)

    def _cut(self, piece: Piece) -> Waveform:
        whole = self._load(piece.path)
        if piece.span is None:
            return whole
        first, last = (round(edge_s * whole.sample_rate_hz) for edge_s in (piece.span.start_s, piece.span.end_s))
        if last > len(whole.samples):
            raise InvalidRequestError(f"{piece} ends after its {whole.duration_s:.3f} s", field="segment")
        return Waveform(whole.samples[first:last], whole.sample_rate_hz)

    def _load_uncached(self, path: str) -> Waveform:
        try:
            return load_waveform(self.root / path)
        except ChannelError as error:
            message = "the recording has several channels, and a list cannot choose: write each to a file of its own"
            raise InvalidRequestError(message, field="segment") from error


def _piece(text: str) -> Piece:
    path, fragment, times = text.partition("#t=")
    if not fragment:
        return Piece(path)
    try:
        start_s, end_s = map(float, times.split(","))
    except ValueError:
        raise InvalidRequestError(f"{text!r}: write a stretch as #t=start,end in seconds", field="segment") from None
    if not 0 <= start_s < end_s < float("inf"):
        raise InvalidRequestError(f"{text!r}: need 0 <= start < end", field="segment")
    return Piece(path, Span(start_s, end_s))


def _degradation_text(recipe: Degradation) -> str:
    chosen = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    plain = {name: int(value) if isinstance(value, bool) else value for name, value in chosen.items() if value}
    return DEGRADE + urlencode(plain, safe="/")


def _degradation(text: str) -> Degradation:
    settings = dict(parse_qsl(text, keep_blank_values=True))
    kinds = get_type_hints(Degradation)
    if unknown := settings.keys() - kinds.keys():
        raise InvalidRequestError(f"no degradation {sorted(unknown)[0]!r}; known: {', '.join(kinds)}", field="segment")
    try:
        return Degradation(**{name: _READERS[kinds[name]](value) for name, value in settings.items()})
    except ValueError as error:
        raise InvalidRequestError(f"degradation {text!r}: {error}", field="segment") from None


_READERS: dict[type, Callable[[str], Any]] = {str: str, int: int, float: float, bool: lambda text: bool(int(text))}
