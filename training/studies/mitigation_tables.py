"""What came out of a mitigation study, beside what two papers claim: Markdown.

Cohorts are compared by their word error rates, standardised over domains (training/fairness/cohorts/speaker_errors.py):
by those of the artifact as it was, among the talkers of the cohorts. So a cohort's change is that of its own errors,
and of one domain its rate is the plain one.
A draw takes the talkers of each cohort with replacement, the same ones for every method: what is hard for all does not
count as a difference. Seeds have their part by training.metrics.paired_resampling.
Letters: S seeds, U talkers, D domains, G cohorts, R draws; row 0 is exact, the others are the draws.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.adaptation_recipe import EWC
from training.fairness.cohorts.cohort import Cohorts, overlap_caution
from training.fairness.cohorts.held_out import relative_gap
from training.fairness.cohorts.speaker_errors import Labels, SpeakerErrors, sizes
from training.figure_text import bold_where_sure, figure_text, verdict
from training.heard_alone import labels_of
from training.metrics.bootstrap import FEW_UNITS, Figure, figure_of
from training.metrics.paired_resampling import mapped, with_seeds
from training.metrics.resampling import REPLICAS
from training.metrics.verification import Array
from training.studies.mitigation_arms import ARMS, BEFORE
from training.tables import markdown_table

# Arm -> seed -> errors.
StudyErrors = Mapping[str, Mapping[int, SpeakerErrors]]
DRAWS_SEED = 0
NOT_JUDGED = "is not judged: the cohort is told, which is an upper bound"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Judges:
    """The held-out talkers: what they said, and (U,) the number of each one's cohort, -1 = none that is compared."""

    before: SpeakerErrors
    labels: Labels
    names: tuple[str, ...]
    adapted: int | None  # the number of the cohort that was adapted to
    # Whether methods with a cohort vector were told it as live, of the voice.
    by_voice: bool = False

    @classmethod
    def of(cls, cohorts: Cohorts, adapted: str, before: SpeakerErrors, *, by_voice: bool = False) -> "Judges":
        whole = labels_of(cohorts, before.speakers)
        # With fewer held-out talkers a cohort counts for the rate of all words alone.
        large = np.flatnonzero(sizes(whole, len(cohorts)) >= FEW_UNITS)
        names = tuple(cohorts.cohorts[number].name for number in large)
        number_of = {int(old): new for new, old in enumerate(large)}
        labels = np.array([number_of.get(int(old), -1) for old in whole], np.int64)
        number = names.index(adapted) if adapted in names else None
        return cls(before=before, labels=labels, names=names, adapted=number, by_voice=by_voice)

    def title(self, arm: str) -> str:
        """What a table calls a method."""
        if not ARMS[arm].is_told:
            return ARMS[arm].title
        return f"{ARMS[arm].title}, {'by voice from the second turn on' if self.by_voice else 'told: an upper bound'}"

    def draws(self) -> Array:
        """(1 + R, U) how often each talker counts; cohorts keep their sizes."""
        random = np.random.default_rng(DRAWS_SEED)
        times = np.ones((1 + REPLICAS, len(self.labels)))
        for number in np.unique(self.labels):
            (members,) = np.nonzero(self.labels == number)
            even = np.full(len(members), 1 / len(members))
            times[1:, members] = random.multinomial(len(members), even, size=REPLICAS)
        return times

    def rates(self, runs: Sequence[SpeakerErrors]) -> "Rates":
        """Of the mean over seeds, and of the means without each if there are two or more."""
        errors = np.stack([run.errors for run in runs])  # (S, U, D)
        times = self.draws()[..., None]  # (1 + R, U, 1)
        was, words = self.before.errors, self.before.words
        without = [np.delete(errors, seed, 0).mean(0)[None] for seed in range(len(runs))] if len(runs) > 1 else []
        return replace(
            self._rates(times * errors.mean(0), times * was, times * words),
            without=tuple(self._rates(mean, was[None], words[None]) for mean in without),
        )

    def _rates(self, errors: Array, before: Array, words: Array) -> "Rates":
        """(R, U, D) each, and the same draws of the artifact as it was."""
        drawn = replace(self.before, errors=errors, words=words)
        others = np.ones(len(self.labels), bool) if self.adapted is None else self.labels != self.adapted
        compared = self.labels >= 0
        standard = replace(self.before, errors=before, words=words).select(compared)
        return Rates(
            cohorts=drawn.select(compared).rates(self.labels[compared], len(self.names), standard=standard),
            overall=drawn.overall,
            others=drawn.select(others).overall,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rates:
    """Word error rates: (1 + R, G) of each cohort, the domains' own taken out, (1 + R,) of all words, and of those
    outside the adapted cohort. `without`: each seed in turn, the exact row alone; empty for what is no mean.
    """

    cohorts: Array
    overall: Array
    others: Array
    without: tuple["Rates", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A statistic of rates, (1 + R,), in percent but for variances, which are in points squared."""

    title: str
    statistic: Callable[[Rates, Judges], Array]
    scale: float = 100.0


def _adapted(rates: Rates, judges: Judges) -> Array:
    if judges.adapted is None:
        return np.full(len(rates.overall), np.nan)
    return np.asarray(rates.cohorts[:, judges.adapted])


ALL = Column(title="all words", statistic=lambda rates, judges: rates.overall)
MEAN = Column(title="mean of cohorts", statistic=lambda rates, judges: rates.cohorts.mean(-1))
WORST = Column(title="worst cohort", statistic=lambda rates, judges: rates.cohorts.max(-1))
ADAPTED = Column(title="cohort adapted to", statistic=_adapted)
OTHERS = Column(title="everybody else", statistic=lambda rates, judges: rates.others)
VARIANCE = Column(title="variance", statistic=lambda rates, judges: rates.cohorts.var(-1), scale=1e4)
GAP = Column(title="gap", statistic=lambda rates, judges: relative_gap(rates.cohorts.max(-1), rates.cohorts.min(-1)))
COLUMNS = (ALL, MEAN, WORST, ADAPTED, OTHERS, VARIANCE, GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A figure of a paper, as a fraction, and the methods that stand for it here."""

    text: str
    column: Column
    claimed: float
    arms: tuple[str, ...]


EWC_ARMS = tuple(arm.name for arm in ARMS.values() if arm.method.penalty == EWC)
# The worst region is the one that was worst on dev talkers: what is worst among those who judge gets better by chance.
CLAIMS = (
    Claim(text="EWC: worst region -3.2 % (2207.07850)", column=ADAPTED, claimed=-0.032, arms=EWC_ARMS),
    Claim(text="EWC: overall -1.3 %", column=ALL, claimed=-0.013, arms=EWC_ARMS),
    Claim(text="EWC: variance over regions -7.9 %", column=VARIANCE, claimed=-0.079, arms=EWC_ARMS),
    Claim(
        text="oversampling or cohort vector: gap 56 % to about 40 % (2207.11345)",
        column=GAP,
        claimed=40 / 56 - 1,
        arms=("oversampling", "vector", "vector-oversampling"),
    ),
)


def markdown(cohorts: Cohorts, adapted: str, errors: StudyErrors, *, by_voice: bool = False) -> str:
    """Rates before and after, their changes with intervals, claims; methods without a finished run are left out.

    `by_voice`: a cohort vector was told as live, not from the file.
    """
    done = {arm: errors[arm] for arm in ARMS if errors.get(arm)}
    if not done.get(BEFORE):
        return "no finished run yet of the artifact as it is"
    (before,) = done[BEFORE].values()
    judges = Judges.of(cohorts, adapted, before, by_voice=by_voice)
    if len(judges.names) < 2:
        return f"fewer than two cohorts have {FEW_UNITS} held-out talkers: nothing to compare"
    rates = {arm: judges.rates([runs[seed] for seed in sorted(runs)]) for arm, runs in done.items()}
    parts = (
        _counts_text(judges, adapted, cohorts),
        *_cautions(judges, cohorts),
        _rates_table(done, rates, judges),
        "Relative change, **bold** where the interval excludes zero:",
        _changes_table(rates, judges),
        _cohorts_table(rates, judges),
        _claims_table(rates, judges),
    )
    return "\n\n".join(parts)


def change(column: Column, before: Rates, after: Rates, judges: Judges) -> Figure:
    """Relative to the artifact as it was, paired by draw; none where it cannot be measured, and of a seed alone no
    interval. Seeds get their share on the scale of ratios, on which nothing falls by more than all there was.
    """
    was, is_now = (column.statistic(rates, judges) for rates in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(is_now / was)
        without = np.log([column.statistic(rates, judges)[0] / was[0] for rates in after.without])
    figure = figure_of(float(ratio[0]), ratio[1:])
    return mapped(with_seeds(figure, without) if len(without) else Figure(figure.value, None), math.expm1)


def rate(column: Column, rates: Rates, judges: Judges) -> Figure:
    """Over talkers, and seeds where there are two or more."""
    values = column.statistic(rates, judges)
    without = [column.statistic(left, judges)[0] for left in rates.without]
    figure = with_seeds(figure_of(float(values[0]), values[1:]), np.array(without))
    return mapped(figure, lambda value: max(value, 0.0))


def _change_text(found: Figure) -> str:
    return bold_where_sure(figure_text(found, sign="+", unit=" %"), found)


def _rates_table(done: StudyErrors, rates: Mapping[str, Rates], judges: Judges) -> str:
    rows = []
    for arm, of_arm in rates.items():
        figures = (rate(column, of_arm, judges) for column in COLUMNS)
        cells = (figure_text(one, scale=column.scale) for one, column in zip(figures, COLUMNS, strict=True))
        rows.append((judges.title(arm), str(len(done[arm])), *cells))
    titles = (f"{column.title} {'points²' if column is VARIANCE else '%'}" for column in COLUMNS)
    return markdown_table(("method", "seeds", *titles), rows)


def _changes_table(rates: Mapping[str, Rates], judges: Judges) -> str:
    rows = [
        (judges.title(arm), *(_change_text(change(column, rates[BEFORE], after, judges)) for column in COLUMNS))
        for arm, after in rates.items()
        if arm != BEFORE
    ]
    return markdown_table(("method", *(column.title for column in COLUMNS)), rows)


def _cohorts_table(rates: Mapping[str, Rates], judges: Judges) -> str:
    """WER % of each cohort, the means alone."""
    rows = [_cohort_row(number, rates, judges) for number in range(len(judges.names))]
    return markdown_table(("cohort, WER %", "talkers", "words", *map(judges.title, rates)), rows)


def _cohort_row(number: int, rates: Mapping[str, Rates], judges: Judges) -> tuple[str, ...]:
    members = judges.labels == number
    means = (f"{100 * of_arm.cohorts[0, number]:.1f}" for of_arm in rates.values())
    return judges.names[number], str(members.sum()), f"{judges.before.words[members].sum():.0f}", *means


def _claims_table(rates: Mapping[str, Rates], judges: Judges) -> str:
    rows = []
    for claim in CLAIMS:
        for arm in claim.arms:
            if arm in rates:
                found = change(claim.column, rates[BEFORE], rates[arm], judges)
                bound = ARMS[arm].is_told and not judges.by_voice
                so_it = NOT_JUDGED if bound else verdict(found, claim.claimed)
                rows.append((claim.text, judges.title(arm), _change_text(found), so_it))
    return markdown_table(("claimed", "method", "here", "so it"), rows)


def _cautions(judges: Judges, cohorts: Cohorts) -> Iterator[str]:
    if caution := overlap_caution(cohorts, judges.before.speakers):
        yield f"**{caution}**"


def _counts_text(judges: Judges, adapted: str, cohorts: Cohorts) -> str:
    left_out = [cohort.name for cohort in cohorts if cohort.name not in judges.names]
    small = f" Too few of them to compare: {', '.join(left_out)}." if left_out else ""
    return (
        f"{len(judges.labels)} held-out talkers, {judges.before.words.sum():.0f} words; adapted to: {adapted}.{small} "
        "Means over seeds; in brackets 95 % intervals over talkers and seeds, paired, of a seed alone over talkers. "
        "Of cohorts, what is due to what they said (the domain) is taken out; of all words and of everybody else it is "
        "not."
    )
