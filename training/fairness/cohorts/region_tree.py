"""Regions of the world found by a tree that splits on longitude and latitude so that WER differs most.

The idea is that of arXiv 2207.07850, the reading ours: greedy, always the split of any leaf whose two sides differ
most, and never a leaf of too few speakers. Countries are points (country_places.json),
so talkers of whom nothing finer is known stay together by country. Letters: S speakers, K leaves.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from training.fairness.cohorts.speaker_errors import Labels, SpeakerErrors, ratio
from training.fairness.countries import place_of
from training.metrics.verification import Array

TABLE = Path(__file__).with_name("country_places.json")
# Of (longitude, latitude): the names of what lies below and above a split.
SIDES = (("west", "east"), ("south", "north"))
MAX_LEAVES = 8
# Of degrees in names; with the last every float differs from any other.
DECIMALS = range(2, 1075)

Degrees = tuple[float, float]
"""Longitude east, latitude north."""


def country_place(country: str) -> Degrees | None:
    """The middle of the country's largest piece of land; none for one that is not in the table."""
    place = place_of(country)
    return _places().get(place.country) if place else None


@cache
def _places() -> dict[str, Degrees]:
    table: dict[str, list[float]] = json.loads(TABLE.read_text(encoding="utf-8"))["places"]
    return {country: (longitude, latitude) for country, (longitude, latitude) in table.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Below `degrees` of an axis (0 longitude, 1 latitude) against the rest; `apart`: how far WER differs."""

    leaf: int
    axis: int
    degrees: float
    apart: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """[west, east) x [south, north) in degrees; infinite where nothing bounds it."""

    low: Degrees = (-np.inf, -np.inf)
    high: Degrees = (np.inf, np.inf)

    def name(self, decimals: int) -> str:
        """ "east of 12.5°, south of 40°"; everywhere where nothing bounds it."""
        bounds = [
            f"{side} of {np.format_float_positional(edge, decimals, trim='-')}°"
            for axis, (below, above) in enumerate(SIDES)
            for side, edge in ((above, self.low[axis]), (below, self.high[axis]))
            if np.isfinite(edge)
        ]
        return ", ".join(bounds) or "everywhere"

    def holds(self, places: Array) -> Array:
        """(S, 2) -> (S,) bool."""
        return np.asarray(((places >= self.low) & (places < self.high)).all(axis=1))

    def divided(self, axis: int, degrees: float) -> "tuple[Region, Region]":
        high, low = list(self.high), list(self.low)
        high[axis] = low[axis] = degrees
        return Region(low=self.low, high=(high[0], high[1])), Region(low=(low[0], low[1]), high=self.high)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RegionTreeFinder:
    """`place_of`: speaker -> where they come from; of others nothing is said."""

    place_of: Mapping[str, Degrees]
    max_leaves: int = MAX_LEAVES

    @property
    def kind(self) -> str:
        return "region-tree"

    @property
    def embedder(self) -> str:
        return ""

    @property
    def looks_at_errors(self) -> bool:
        return True

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(self.place_of)

    def learn(self, errors: SpeakerErrors, *, least_speakers: int) -> "Regions":
        placed = np.array([speaker in self.place_of for speaker in errors.speakers], np.bool_)
        known = errors.select(placed)
        places = np.array([self.place_of[speaker] for speaker in known.speakers]).reshape(-1, 2)
        regions = grown(places, known, least_speakers=least_speakers, max_leaves=self.max_leaves)
        return Regions(place_of=self.place_of, regions=tuple(regions))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Regions:
    """The leaves; they cover the world and share nothing."""

    place_of: Mapping[str, Degrees]
    regions: tuple[Region, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """With as many decimals as it takes to tell them apart."""
        rounded = (tuple(region.name(decimals) for region in self.regions) for decimals in DECIMALS)
        return next(names for names in rounded if len({*names}) == len(names))

    @property
    def centroids(self) -> None:
        return None

    def labels(self, speakers: Sequence[str]) -> Labels:
        # Nowhere: no region holds it.
        places = np.array([self.place_of.get(speaker, (np.nan, np.nan)) for speaker in speakers]).reshape(-1, 2)
        labels = np.full(len(speakers), -1, np.int64)
        for number, region in enumerate(self.regions):
            labels[region.holds(places)] = number
        return labels


def grown(places: Array, errors: SpeakerErrors, *, least_speakers: int, max_leaves: int) -> list[Region]:
    """(S, 2) degrees and the errors of these speakers -> leaves of at least so many of them."""
    observed, expected = errors.errors.sum(axis=1), errors.expected
    leaves = [Region()]
    while len(leaves) < max_leaves:
        inside = [leaf.holds(places) for leaf in leaves]
        splits = [
            split
            for number, held in enumerate(inside)
            for split in _splits(number, places[held], (observed[held], expected[held]), least_speakers)
        ]
        if not splits:
            break
        best = max(splits, key=lambda split: split.apart)
        leaves[best.leaf : best.leaf + 1] = leaves[best.leaf].divided(best.axis, best.degrees)
    return leaves


def _splits(leaf: int, places: Array, counts: tuple[Array, Array], least_speakers: int) -> Iterator[Split]:
    """The best split of each axis that leaves enough speakers on both sides; none where there is none."""
    for axis in range(len(SIDES)):
        order = np.argsort(places[:, axis], kind="stable")
        degrees = places[order, axis]
        below = [np.cumsum(count[order])[:-1] for count in counts]
        above = [count.sum() - sums for count, sums in zip(counts, below, strict=True)]
        apart = np.abs(ratio(below[0], below[1]) - ratio(above[0], above[1]))  # (S - 1,)
        num_below = np.arange(1, len(degrees))
        allowed = (degrees[1:] > degrees[:-1]) & (np.minimum(num_below, len(degrees) - num_below) >= least_speakers)
        apart = np.where(allowed & np.isfinite(apart), apart, -1.0)
        if len(apart) and apart.max() >= 0:
            at = int(np.argmax(apart))
            middle = float(degrees[at] + degrees[at + 1]) / 2
            yield Split(leaf=leaf, axis=axis, degrees=middle, apart=float(apart[at]))
