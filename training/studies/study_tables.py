"""What came out of a fairness study, beside what the paper claims: Markdown.

A draw takes people with replacement, the same ones for every method: what is hard for all does not count as a
difference. Seeds have their part by training.metrics.paired_resampling, of relative changes on the scale of ratios:
what one lucky seed did does not count as the method. Letters: S seeds, R draws.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.figure_text import bold_where_sure, figure_text, verdict
from training.metrics.bootstrap import Figure, figure_of
from training.metrics.paired_resampling import mapped, with_seeds
from training.metrics.verification import Array
from training.studies.study_arms import ARMS
from training.studies.study_figures import (
    CLLR,
    EER,
    EVERYBODY,
    FEMALE,
    FMR,
    FMR_BY_REGION,
    FMR_BY_SEX,
    FNMR,
    FNMR_BY_REGION,
    FNMR_BY_SEX,
    GAP,
    GARBE_BY_REGION,
    GARBE_BY_SEX,
    MALE,
    STD,
    WOMEN_OVER_MEN,
    WORST,
    Column,
    RunFigures,
)
from training.studies.study_sides import CALLS, DIGITS, INDIAN, READ
from training.tables import markdown_table

# Arm -> seed -> figures.
StudyFigures = Mapping[str, Mapping[int, RunFigures]]

OF_EER = (EER, MALE, FEMALE, GAP, WORST, STD)
AT_ONE_THRESHOLD = (FMR_BY_SEX, FNMR_BY_SEX, FMR_BY_REGION, FNMR_BY_REGION, GARBE_BY_SEX, GARBE_BY_REGION, CLLR)
WITH_INTERVALS = (EER, MALE, FEMALE, WOMEN_OVER_MEN)
OF_CALLS = (EER, MALE, FEMALE, FMR, FNMR, CLLR)
OF_INDIAN = (EER, MALE, FEMALE, WOMEN_OVER_MEN, FMR, FNMR, FMR_BY_SEX, FNMR_BY_SEX, GARBE_BY_SEX, CLLR)
# Beside read English.
OTHERS: Mapping[str, Sequence[Column]] = {CALLS: OF_CALLS, INDIAN: OF_INDIAN, DIGITS: OF_CALLS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A figure of arXiv 2207.07776, as a fraction, for pairwise weights against none.

    Worked out from the rates of its table, in place of the abstract's rounded percentages: EER 1.17 -> 1.08 %, gap
    0.70 -> 0.58, std 0.21 -> 0.19.
    """

    text: str
    column: Column
    claimed: float


CLAIMS = (
    Claim(text="EER -7.7 %", column=EER, claimed=-0.077),
    Claim(text="gap of the sexes -17 %", column=GAP, claimed=-0.17),
    Claim(text="std over regions -9.5 %", column=STD, claimed=-0.095),
)
CLAIMED_OF = ("pw", "pw-binary")


def markdown(figures: StudyFigures) -> str:
    """Means, changes with intervals, claims, and what survives; methods without a finished run are left out."""
    done = in_order(figures)
    if not done:
        return "no finished run yet"
    compared = compared_arms(done)
    all_means = (*OF_EER, FMR, FNMR, GARBE_BY_SEX, GARBE_BY_REGION, CLLR)
    parts = [
        counts_text(done, READ),
        means_table(done, READ, all_means),
        "Change against uniform of the same loss, **bold** where the interval excludes zero; of a seed alone it is "
        "over people:",
        changes_table(done, compared, READ, OF_EER),
        "At the one threshold; rates in points:",
        changes_table(done, compared, READ, AT_ONE_THRESHOLD),
        *(part for corpus, columns in OTHERS.items() for part in corpus_parts(done, compared, corpus, columns)),
        claims_table(done),
        surviving_text(done, compared),
    ]
    return "\n\n".join(parts)


def corpus_parts(
    done: StudyFigures, compared: Sequence[str], corpus: str, columns: Sequence[Column]
) -> tuple[str, ...]:
    """Who was tried, means, and changes."""
    return (
        counts_text(done, corpus),
        means_table(done, corpus, columns),
        "Changes; those of differences in points:",
        changes_table(done, compared, corpus, columns),
    )


def in_order(figures: StudyFigures) -> StudyFigures:
    """Without the methods of which nothing is finished."""
    return {arm: figures[arm] for arm in ARMS if figures.get(arm)}


def compared_arms(done: StudyFigures) -> list[str]:
    """Those whose uniform is done too."""
    return [arm for arm in done if arm != ARMS[arm].against and ARMS[arm].against in done]


def mean_of(runs: Mapping[int, RunFigures], corpus: str, column: Column) -> Figure:
    """The mean over seeds; of a seed alone the interval is over its people."""
    least, most = column.ends
    figure = _over_seeds(_rows(runs, sorted(runs), corpus, column)[None], lambda mean: mean)
    return mapped(figure, lambda mean: min(max(mean, least), most))


def change(before: Mapping[int, RunFigures], after: Mapping[int, RunFigures], corpus: str, column: Column) -> Figure:
    """Over the seeds that both have, paired; none without one, or where it cannot be measured."""
    seeds = sorted(before.keys() & after.keys())
    if not seeds:
        return Figure(None, None)
    was, is_now = (_rows(runs, seeds, corpus, column) for runs in (before, after))
    both = np.stack([was, is_now])
    return mapped(_over_seeds(both, _log_ratio), math.expm1) if column.relative else _over_seeds(both, _difference)


def _log_ratio(was: Array, is_now: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(is_now / was)


def _difference(was: Array, is_now: Array) -> Array:
    return is_now - was


def _over_seeds(rows: Array, statistic: Callable[..., Array]) -> Figure:
    """(.., S, 1 + R) -> a statistic of the means over seeds, (..) of them; of a seed alone over its people."""
    values = statistic(*rows.mean(axis=-2))
    seeds = range(rows.shape[-2]) if rows.shape[-2] > 1 else ()
    without = [float(statistic(*np.delete(rows, seed, -2).mean(axis=-2))[0]) for seed in seeds]
    return with_seeds(figure_of(float(values[0]), values[1:]), np.array(without))


def means_table(done: StudyFigures, corpus: str, columns: Sequence[Column]) -> str:
    """Means over seeds; an EER with its interval."""
    return markdown_table(
        ("method", "seeds", *(column.title for column in columns)),
        [(ARMS[arm].title, str(len(runs)), *mean_cells(runs, corpus, columns)) for arm, runs in done.items()],
    )


def changes_table(done: StudyFigures, compared: Sequence[str], corpus: str, columns: Sequence[Column]) -> str:
    """Each method against uniform of its own loss."""
    rows = [
        (ARMS[arm].title, *(change_text(column, _against(done, arm, corpus, column)) for column in columns))
        for arm in compared
    ]
    return markdown_table(("method", *(column.title.removesuffix(" %") for column in columns)), rows)


def change_text(column: Column, found: Figure) -> str:
    """With its sign; in bold where the interval excludes zero. Nothing of gaps that no draw moves off zero."""
    if not column.relative and found.value == 0 and found.ci95 == (0, 0):
        return "-"
    if column.relative:
        text = figure_text(found, digits=0, sign="+", unit=" %")
    else:
        text = figure_text(found, scale=column.scale, digits=1 if column.scale > 1 else 2, sign="+")
    return bold_where_sure(text, found)


def counts_text(done: StudyFigures, corpus: str) -> str:
    """Who was tried, by group; those that are not compared in brackets."""
    groupings = next(iter(next(iter(done.values())).values())).lists[corpus].groupings
    whole = groupings[EVERYBODY]
    groups = [
        f"{name}: " + ", ".join(_group_texts(figures.groups, figures.n_speakers, figures.compared))
        for name, figures in groupings.items()
        if name != EVERYBODY
    ]
    counted = f"{whole.n_speakers[0]} test talkers, {whole.n_target[0]} target, {whole.n_nontarget[0]} nontarget trials"
    return f"`{corpus}`: {counted}; {'; '.join(groups)}. In round brackets: too few to compare."


def claims_table(done: StudyFigures) -> str:
    """The paper's figures beside ours, both readings of a pair's weight."""
    rows = []
    for claim in CLAIMS:
        cells = [claim.text]
        for arm in CLAIMED_OF:
            found = _against(done, arm, READ, claim.column)
            cells.append(f"{change_text(claim.column, found)}: {verdict(found, claim.claimed)}")
        rows.append(cells)
    return markdown_table(("the paper", *(ARMS[arm].title for arm in CLAIMED_OF)), rows)


def surviving_text(done: StudyFigures, compared: Sequence[str]) -> str:
    """Every difference whose interval excludes zero, and how many would by chance."""
    told = {READ: (*OF_EER, *AT_ONE_THRESHOLD), **OTHERS}
    asked = [(corpus, column) for corpus, columns in told.items() for column in columns]
    lines, tried = [], 0
    for arm in compared:
        found = {(corpus, column.title): (column, _against(done, arm, corpus, column)) for corpus, column in asked}
        tried += sum(figure.ci95 is not None for _, figure in found.values())
        surviving = [
            f"{corpus} {title.removesuffix(' %')} {change_text(column, figure).strip('*')}"
            for (corpus, title), (column, figure) in found.items()
            if figure.excludes_zero
        ]
        lines.append(f"- {ARMS[arm].title}: {'; '.join(surviving) or 'nothing'}")
    head = f"What survives, of {tried} comparisons, of which one in twenty would by chance:"
    return "\n".join([head, "", *lines])


def _against(done: StudyFigures, arm: str, corpus: str, column: Column) -> Figure:
    return change(done.get(ARMS[arm].against, {}), done.get(arm, {}), corpus, column)


def _rows(runs: Mapping[int, RunFigures], seeds: Sequence[int], corpus: str, column: Column) -> Array:
    """(S, 1 + R)"""
    return np.stack([column.statistic(runs[seed].lists[corpus]) for seed in seeds])


def mean_cells(runs: Mapping[int, RunFigures], corpus: str, columns: Sequence[Column]) -> Iterator[str]:
    """Means over seeds; an EER with its interval."""
    for column in columns:
        figure = mean_of(runs, corpus, column)
        yield figure_text(
            figure if column in WITH_INTERVALS else Figure(figure.value, None), scale=column.scale, digits=2
        )


def _group_texts(groups: Sequence[str], speakers: Sequence[int], compared: Sequence[bool]) -> Iterator[str]:
    for group, count, is_compared in zip(groups, speakers, compared, strict=True):
        yield f"{group} {count}" if is_compared else f"({group} {count})"
