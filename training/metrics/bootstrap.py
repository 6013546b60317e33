"""Intervals over speakers: the people are the sample, not their trials, which share voices and so are not independent.

Speakers (or files, where speakers are unknown) are drawn with replacement. A nontarget trial needs both its people, so
it weighs the product of their counts; a target trial has one person, and weighs that count. At two levels the trials
between the people drawn are drawn again, each a Poisson(1) number of times: wider intervals, on the safe side.
All groups of all groupings are measured on the same draws, so that what differs between them can be told too.
Letters: T trials, U units (speakers), G groups, M measures, R draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import poisson

from training.metrics.score_bins import AT_THRESHOLD, LLRS, MEASURES, BinnedScores, Reading, measure
from training.metrics.scored_trials import Counts, Labels, ScoredTrials
from training.metrics.verification import Array, Mask, bits_lost

# Below this many people, or of either kind of trial, an interval is itself a guess.
FEW_UNITS = 10
FEW_TRIALS = 30
RATES = {"eer", *AT_THRESHOLD}
# Group rows times bins: what one draw works on.
MAX_CELLS = 2**17
# Numbers that tell trials apart by their groups: far under the end of an int64.
MAX_KEYS = 2**62
# More are as good as infinite: sums of fewer are far under the end of a float32.
MOST_BITS = 1e30
# Poisson(1) by a table of 16 random bits.
POISSON_TABLE = poisson.ppf((np.arange(2**16) + 0.5) / 2**16, 1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure and its interval; None = cannot be measured on these trials."""

    value: float | None
    ci95: tuple[float, float] | None

    @property
    def excludes_zero(self) -> bool:
        """Whether its interval does: of a change, that there is one."""
        return self.ci95 is not None and (self.ci95[0] > 0 or self.ci95[1] < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a list of trials says, and how much it rests on."""

    trials: Counts
    speakers: Counts
    figures: Mapping[str, Figure]

    @property
    def n_target(self) -> int:
        return self.trials.target

    @property
    def n_nontarget(self) -> int:
        return self.trials.nontarget

    @property
    def n_speakers(self) -> int:
        return self.speakers.both

    @property
    def too_small(self) -> bool:
        """Whether few people, or few trials, are behind either kind of error."""
        fewest, trials = (min(of.target, of.nontarget) for of in (self.speakers, self.trials))
        return fewest < FEW_UNITS or trials < FEW_TRIALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How intervals are made; replicas None = as many as the list allows (replicas_for); levels 1 or 2."""

    seed: int = 0
    replicas: int | None = None
    levels: int = 1

    def __post_init__(self) -> None:
        if self.levels not in (1, 2):
            raise ValueError(f"levels must be 1 (speakers) or 2 (their trials too), got {self.levels}")


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Exact values (G, M), and the same on each draw (R, G, M); NaN = cannot be measured."""

    values: Array
    draws: Array

    def summary(self, group: int, *, target: Mask, speakers: Counts) -> Summary:
        """Of one group, whose trials are (T,) target trials or not."""
        n_target = int(target.sum())
        trials = Counts(target=n_target, nontarget=len(target) - n_target, both=len(target))
        return Summary(trials=trials, speakers=speakers, figures=self.figures(group, speakers=speakers))

    def figures(self, group: int, *, speakers: Counts) -> dict[str, Figure]:
        """Of one group, by measure. Of rates that no draw can move off 0 or 1 the interval is that of so few people, of
        other measures that no draw moves there is none.
        """
        figures = {}
        for column, name in enumerate(MEASURES):
            figure = figure_of(float(self.values[group, column]), self.draws[:, group, column])
            figures[name] = floored(figure, speakers.behind(name)) if name in RATES else unless_stuck(figure)
        return figures


def figure_of(value: float, draws: Array) -> Figure:
    """A value and (R,) draws of it; no interval where most draws lost what is measured."""
    if np.isnan(value):
        return Figure(None, None)
    finite = draws[~np.isnan(draws)]
    if len(finite) <= len(draws) / 2:
        return Figure(value, None)
    # Nearest, for a measure may be infinite in some draws.
    low, high = np.percentile(finite, [2.5, 97.5], method="linear" if np.isfinite(finite).all() else "nearest")
    return Figure(value, (float(low), float(high)))


def unless_stuck(figure: Figure) -> Figure:
    """Without its interval where hardly a draw moves the value: that tells of few trials, and not how sure it is."""
    return Figure(figure.value, None) if figure.ci95 == (figure.value, figure.value) else figure


def floored(figure: Figure, n_speakers: int) -> Figure:
    """Clopper and Pearson's interval with people for trials, where nothing (or all) went wrong."""
    if figure.ci95 is None or figure.value not in (0.0, 1.0) or figure.ci95[0] != figure.ci95[1]:
        return figure
    reach = float(reach_of(np.array(n_speakers)))
    return Figure(figure.value, (0.0, reach) if figure.value == 0 else (1 - reach, 1.0))


def reach_of(n_people: npt.NDArray[np.generic]) -> Array:
    """How far a rate may be from the 0 (or 1) seen in so many people, 0.025 the chance of further."""
    return np.asarray(1 - 0.025 ** (1 / np.maximum(n_people, 1)))


def summarise(
    trials: ScoredTrials,
    *,
    replicas: int | None = None,
    seed: int = 0,
    levels: int = 1,
    reading: Reading = LLRS,
) -> Summary:
    """All measures with 95 % percentile intervals over units; trials of one kind alone get counts and no figures."""
    resampling = Resampling(seed=seed, replicas=replicas, levels=levels)
    (measured,) = measure_groups(trials, [np.zeros(len(trials), np.int64)], reading, resampling)
    return measured.summary(0, target=trials.target, speakers=trials.speakers)


def measure_groups(
    trials: ScoredTrials, groupings: Sequence[Labels], reading: Reading, resampling: Resampling
) -> list[Measured]:
    """Every grouping's groups, all on the same draws."""
    sizes = [int(labels.max(initial=0)) + 1 for labels in groupings]
    values = [_exact(trials, labels, size, reading) for labels, size in zip(groupings, sizes, strict=True)]
    replicas = replicas_for(len(trials)) if resampling.replicas is None else resampling.replicas
    draws = [np.full((replicas, size, len(MEASURES)), np.nan) for size in sizes]
    if replicas and trials.target.any() and not trials.target.all():
        max_bins = int(np.clip(MAX_CELLS // max(sizes), 512, 4096))
        bins = BinnedScores(trials.llrs, trials.target, reading, max_bins, trials.refused)
        drawer = _Drawer(trials, groupings, sizes, bins)
        random = np.random.default_rng(resampling.seed)
        for replica in range(replicas):
            for drawn, sums in zip(draws, drawer.draw(random, resampling.levels), strict=True):
                drawn[replica] = bins.measure(*sums)
    return [Measured(*pair) for pair in zip(values, draws, strict=True)]


def replicas_for(num_trials: int) -> int:
    """1,000 up to a million trials, fewer past that, never under 200."""
    return int(np.clip(1_000_000_000 // max(num_trials, 1), 200, 1_000))


def _exact(trials: ScoredTrials, labels: Labels, size: int, reading: Reading) -> Array:
    rows = np.empty((size, len(MEASURES)))
    for group in range(size):
        mask = slice(None) if size == 1 and labels.min(initial=0) == 0 else labels == group
        refused = None if trials.refused is None else trials.refused[mask]
        rows[group] = measure(trials.llrs[mask], trials.target[mask], reading, refused)
    return rows


class _Drawer:
    """Trials sorted by what they are added up into, so that a draw is a few passes over memory."""

    def __init__(
        self, trials: ScoredTrials, groupings: Sequence[Labels], sizes: Sequence[int], bins: BinnedScores
    ) -> None:
        key, num_keys = trials.target * np.int64(len(bins)) + bins.bin_of, 2 * len(bins)  # (T,)
        for labels, size in zip(groupings, sizes, strict=True):
            if num_keys * (size + 1) > MAX_KEYS:
                found, key = np.unique(key, return_inverse=True)
                num_keys = len(found)
            key = key * (size + 1) + labels + 1
            num_keys *= size + 1
        order = np.argsort(key, kind="stable")
        key = key[order]
        self.cell_starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        self.sizes, self.num_bins = sizes, len(bins)
        # All trials of a cell are of the same groups, kind and bin, so any one will do.
        one = order[self.cell_starts]
        base = trials.target[one], bins.bin_of[one]
        self.cells = [self._cells(*base, labels[one], size) for labels, size in zip(groupings, sizes, strict=True)]
        units, numbers = np.unique(np.stack([trials.enrolment_unit, trials.test_unit]), return_inverse=True)
        self.num_units = len(units)
        first, second = numbers.reshape(2, -1).astype(np.int32)
        # A target trial has one person: the other is one past the last, drawn once always.
        second[first == second] = self.num_units
        self.first, self.second = first[order], second[order]
        self.weights, self.factor = np.empty((2, len(order)), np.float32)
        bits = bits_lost(trials.llrs, trials.target)[order]
        self.endless = np.flatnonzero(bits > MOST_BITS)
        self.bits = np.where(bits > MOST_BITS, 0, bits).astype(np.float32)

    def _cells(
        self, target: Mask, number: npt.NDArray[np.int32], label: Labels, size: int
    ) -> tuple[Mask, npt.NDArray[np.int64]]:
        """For one grouping: which sums of weights belong to a group, and where they go in (2, G, B)."""
        inside = label >= 0
        place = (target * np.int64(size) + label) * self.num_bins + number
        return inside, place[inside]

    def draw(self, random: np.random.Generator, levels: int) -> list[tuple[Array, Array]]:
        """One draw of everybody -> of each grouping weights (2, G, B), and the bits that these lost (2, G)."""
        self._weigh(random, levels)
        mass = np.add.reduceat(self.weights, self.cell_starts)
        np.multiply(self.weights, self.bits, out=self.factor)
        # Who is not drawn costs nothing, not even of infinite bits.
        self.factor[self.endless[self.weights[self.endless] > 0]] = np.inf
        lost = np.add.reduceat(self.factor, self.cell_starts)
        return [
            (
                np.bincount(place, mass[inside], 2 * size * self.num_bins).reshape(2, size, -1).astype(np.float64),
                np.bincount(place // self.num_bins, lost[inside], 2 * size).reshape(2, size).astype(np.float64),
            )
            for size, (inside, place) in zip(self.sizes, self.cells, strict=True)
        ]

    def _weigh(self, random: np.random.Generator, levels: int) -> None:
        """(T,) how often each trial counts."""
        counts = np.ones(self.num_units + 1, np.float32)
        counts[:-1] = random.multinomial(self.num_units, np.full(self.num_units, 1 / self.num_units))
        np.take(counts, self.first, out=self.weights, mode="clip")
        np.take(counts, self.second, out=self.factor, mode="clip")
        self.weights *= self.factor
        if levels == 2:
            bits = random.integers(0, 2**16, len(self.weights), dtype=np.uint16)
            np.take(POISSON_TABLE, bits, out=self.factor, mode="clip")
            self.weights *= self.factor
