"""Whether a gap is more than luck: cohorts found on half of the speakers judged on the others, and errors dealt anew.

A held-out gap need not be corrected for having looked: who is worst and who best is settled on one half, how much worse
is measured on the other. It is below zero where the order is the other way round there.
Letters: S speakers, K cohorts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.fairness.cohorts.finders import Finder, Rule
from training.fairness.cohorts.speaker_errors import Labels, Mask, SpeakerErrors, halves, sizes
from training.fairness.gaps import worst_over_best
from training.metrics.bootstrap import FEW_UNITS
from training.metrics.verification import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class LuckConfig:
    """`least_speakers`: of a leaf of a tree, and of a cohort to be compared; half as many in a half."""

    least_speakers: int = FEW_UNITS
    deals: int = 200
    splits: int = 10
    seed: int = 0

    @property
    def least_in_half(self) -> int:
        return max(1, self.least_speakers // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """A gap beside those of cohorts found in the same way after everybody's errors were dealt out anew.

    `p`: how often chance alone shows a gap as large.
    """

    median: float
    p95: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """`worse_share`: of the splits in which the cohort found worst was worse than the one found best, on other people.

    `speaker_share`: how many of the other half the cohort found worst holds.
    """

    gap: float
    worse_share: float
    speaker_share: float
    splits: int
    chance: Chance


def ends(rates: Array, enough: Mask) -> tuple[int, int] | None:
    """(K,) WER and who counts -> numbers of the worst and the best; none where fewer than two count."""
    (numbers,) = np.nonzero(enough & np.isfinite(rates))
    if len(numbers) < 2:
        return None
    return int(numbers[np.argmax(rates[numbers])]), int(numbers[np.argmin(rates[numbers])])


def relative_gap(bottom: Array, top: Array) -> Array:
    """(bottom - top) / top; infinite above a top without errors."""
    return worst_over_best(bottom, top) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """(S,) the cohort of each speaker, and how many cohorts there are."""

    labels: Labels
    num_cohorts: int

    @classmethod
    def by(cls, rule: Rule, errors: SpeakerErrors) -> "Placed":
        return cls(rule.labels(errors.speakers), len(rule.names))

    def enough(self, least_speakers: int) -> Mask:
        """(K,) whether so many are of each."""
        return sizes(self.labels, self.num_cohorts) >= least_speakers

    def rates(self, errors: SpeakerErrors, standard: SpeakerErrors | None = None) -> Array:
        """(.., K), as SpeakerErrors.rates."""
        return errors.rates(self.labels, self.num_cohorts, standard=standard)


def gap_found(placed: Placed, errors: SpeakerErrors, *, least_speakers: int) -> float:
    """Between the cohorts of these very speakers; NaN where nothing can be compared."""
    rates = placed.rates(errors)
    found = ends(rates, placed.enough(least_speakers))
    return float(relative_gap(rates[found[0]], rates[found[1]])) if found else np.nan


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evidence:
    """What cohorts are `found_on` and what they are `judged` by: errors of the same people, of one system or of two.

    Both are dealt out together. Who is hard to hear is so for both systems, so regions found by chance among the
    earlier errors stand out among the new ones too: dealt alone, these would look like proof of them.
    """

    judged: SpeakerErrors
    found_on: SpeakerErrors

    def __post_init__(self) -> None:
        if self.judged.speakers != self.found_on.speakers:
            raise ValueError("cohorts must be found and judged on the same speakers")

    def placed_by(self, finder: Finder, people: Mask, *, least_speakers: int) -> Placed:
        """Everybody, by what these people show."""
        return Placed.by(finder.learn(self.found_on.select(people), least_speakers=least_speakers), self.judged)

    def shuffled(self, random: np.random.Generator) -> "Evidence":
        order = self.judged.dealing(random)
        return Evidence(judged=self.judged.dealt(order), found_on=self.found_on.dealt(order))


def chance_of(
    finder: Finder, errors: SpeakerErrors, config: LuckConfig, *, found_on: SpeakerErrors | None = None
) -> Chance:
    """Beside the gap on all speakers. `found_on`: errors of an earlier system, by which the cohorts are found."""
    evidence = Evidence(judged=errors, found_on=found_on or errors)
    everybody, least = np.ones(len(errors.speakers), np.bool_), config.least_speakers

    def placed_by(dealt: Evidence) -> Placed:
        return dealt.placed_by(finder, everybody, least_speakers=least)

    known = None if finder.looks_at_errors else placed_by(evidence)
    return _beside(
        lambda dealt: gap_found(known or placed_by(dealt), dealt.judged, least_speakers=least), evidence, config
    )


def held_out(
    finder: Finder,
    errors: SpeakerErrors,
    strata: Sequence[str],
    config: LuckConfig,
    *,
    found_on: SpeakerErrors | None = None,
) -> HeldOut | None:
    """`strata` (S,): halves hold as many of each. None where no split leaves two cohorts to compare.

    `found_on`: errors of an earlier system, which make the cohorts of a half; who is worst and who best, `errors` say.
    """
    evidence = Evidence(judged=errors, found_on=found_on or errors)
    parts, least = halves_of(strata, config), config.least_in_half

    def placed_by(dealt: Evidence) -> list[Placed]:
        return [dealt.placed_by(finder, half, least_speakers=least) for half in parts]

    known = None if finder.looks_at_errors else placed_by(evidence)

    def judged(dealt: Evidence) -> Array:
        pairs = zip(known or placed_by(dealt), parts, strict=True)
        found = (_judged(each, dealt.judged, half, least) for each, half in pairs)
        return np.array([one for one in found if one]).reshape(-1, 3)

    seen = judged(evidence)
    if not len(seen):
        return None
    return HeldOut(
        gap=_mean_gap(seen),
        worse_share=float(np.mean(seen[:, 0] > seen[:, 1])),
        speaker_share=float(seen[:, 2].mean()),
        splits=len(seen),
        chance=_beside(lambda dealt: _mean_gap(judged(dealt)), evidence, config),
    )


def halves_of(strata: Sequence[str], config: LuckConfig) -> list[Mask]:
    """(S,) both halves of every split."""
    random = np.random.default_rng(config.seed)
    return [half for _ in range(config.splits) for chosen in [halves(strata, random)] for half in (chosen, ~chosen)]


def _judged(placed: Placed, errors: SpeakerErrors, half: Mask, least: int) -> tuple[float, float, float] | None:
    """WER of the cohorts that the half finds worst and best, and the share of the former, all on the other half."""
    fitted, others = (Placed(placed.labels[side], placed.num_cohorts) for side in (half, ~half))
    rates = others.rates(errors.select(~half))
    found = ends(fitted.rates(errors.select(half)), fitted.enough(least) & np.isfinite(rates))
    if not found:
        return None
    share = np.sum(others.labels == found[0]) / np.sum(others.labels >= 0)
    return float(rates[found[0]]), float(rates[found[1]]), float(share)


def _mean_gap(judged: Array) -> float:
    """(n, 3) -> of the mean rates: a mean of ratios would hang on the splits whose best cohort has few errors."""
    if not len(judged):
        return np.nan
    bottom, top = judged[:, :2].mean(axis=0)
    return float(relative_gap(bottom, top))


def _beside(statistic: Callable[[Evidence], float], evidence: Evidence, config: LuckConfig) -> Chance:
    random = np.random.default_rng([config.seed, 1])
    dealt = np.array([statistic(evidence.shuffled(random)) for _ in range(config.deals)])
    dealt = dealt[~np.isnan(dealt)]
    if not len(dealt):
        return Chance(median=np.nan, p95=np.nan, p=1.0)
    seen = statistic(evidence)
    # What cannot be measured is no evidence: nothing compares as larger than NaN.
    as_large = len(dealt) if np.isnan(seen) else float(np.sum(dealt >= seen))
    median, p95 = np.percentile(dealt, [50, 95], method="nearest")
    return Chance(median=float(median), p95=float(p95), p=(1 + as_large) / (1 + len(dealt)))
