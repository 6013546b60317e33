"""Cohorts for people: a summary of every kind and a table of the cohorts of each, as Markdown."""

from collections.abc import Iterator

from training.fairness.cohorts.changes import CohortChanges
from training.fairness.cohorts.ranking import RankedCohort, Ranking
from training.fairness.cohorts.report import Discovery, Json, comparison_json
from training.figure_text import figure_text, number_text
from training.report_json import read_figure
from training.tables import markdown_table

SUMMARY = (
    "cohorts by",
    "compared",
    "gap % [95 %]",
    "gap by chance: median, 95 %",
    "p",
    "worst holds % of speakers",
    "% of words",
    "held-out gap %",
    "p there",
    "worse there in",
    "holds % there",
)
COHORT = ("cohort", "speakers", "words", "WER % [95 %]")
CHANGED = ("before", "change %")
COMPARISON = ("minus", "gap, points [95 %]", "its gap is larger in % of draws", "share of speakers, points [95 %]")
TOO_SMALL = " (too small)"


def summary_table(discovery: Discovery) -> str:
    """A row a kind."""
    return markdown_table(SUMMARY, map(_summary, discovery.rankings))


def cohorts_table(ranking: Ranking, changes: CohortChanges | None = None) -> str:
    """A row a cohort, the worst first."""
    return markdown_table((*COHORT, *(CHANGED if changes else ())), _cohorts(ranking, changes))


def comparisons_table(discovery: Discovery) -> str:
    """The first kind minus each of the others, on the same draws; empty where nothing can be compared."""
    first, *others = discovery.rankings
    pairs = (comparison_json(first, other) for other in others if first.spread and other.spread)
    rows = [
        (pair["against"], _points(pair["gap"]), percent(pair["larger_gap_share"], 0), _points(pair["speaker_share"]))
        for pair in pairs
    ]
    return markdown_table((f"{first.kind} {COMPARISON[0]}", *COMPARISON[1:]), rows) if rows else ""


def _points(figure: Json) -> str:
    return figure_text(read_figure(figure), digits=0)


def percent(fraction: float | None, digits: int = 1) -> str:
    """Without the sign."""
    return "-" if fraction is None else number_text(100 * fraction, f".{digits}f")


def _summary(ranking: Ranking) -> tuple[str, ...]:
    spread, chance, found = ranking.spread, ranking.chance, ranking.held_out
    texts = [ranking.kind, str(len(ranking.compared))]
    if spread:
        texts.append(figure_text(spread.figure("gap"), digits=0))
    if chance:
        texts += [f"{percent(chance.median, 0)}, {percent(chance.p95, 0)}", f"{chance.p:.3f}"]
    if spread:
        texts += [figure_text(spread.figure(name), digits=0) for name in ("speaker_share", "word_share")]
    if found:
        texts += [percent(found.gap, 0), f"{found.chance.p:.3f}", f"{percent(found.worse_share, 0)} %"]
        texts.append(percent(found.speaker_share, 0))
    return (*texts, *("-" for _ in SUMMARY[len(texts) :]))


def _cohorts(ranking: Ranking, changes: CohortChanges | None) -> Iterator[tuple[str, ...]]:
    for cohort in ranking.cohorts:
        yield (*_cohort(cohort), *_changed(cohort.name, changes))


def _cohort(cohort: RankedCohort) -> tuple[str, ...]:
    name = cohort.name + (TOO_SMALL if cohort.too_small else "")
    return name, str(cohort.n_speakers), str(cohort.n_words), figure_text(cohort.wer)


def _changed(name: str, changes: CohortChanges | None) -> tuple[str, ...]:
    figures = (changes.before[name], changes.by_cohort[name]) if changes else ()
    return tuple(figure_text(figure) for figure in figures)
