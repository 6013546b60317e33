"""What came out of a cross-validation: pooled over folds, fold by fold, and country by country. Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from training.fairness.groups import COUNTRY
from training.figure_text import figure_text
from training.metrics.bootstrap import floored
from training.studies.study_arms import ARMS
from training.studies.study_figures import (
    CLLR,
    EER,
    FMR,
    FNMR,
    GARBE_BY_REGION,
    GARBE_BY_SEX,
    GroupFigures,
    RunFigures,
    group_column,
)
from training.studies.study_sides import READ
from training.studies.study_tables import (
    AT_ONE_THRESHOLD,
    OF_EER,
    StudyFigures,
    change,
    change_text,
    changes_table,
    claims_table,
    compared_arms,
    counts_text,
    in_order,
    mean_of,
    means_table,
)
from training.tables import markdown_table

ALL_MEANS = (*OF_EER, FMR, FNMR, GARBE_BY_SEX, GARBE_BY_REGION, CLLR)
OF_FOLD = (EER, FMR, FNMR)


def markdown(pooled: StudyFigures, by_fold: Mapping[int, StudyFigures]) -> str:
    """Methods of which not every fold is done stand in the folds' table alone."""
    done = in_order(pooled)
    parts = [folds_table(by_fold)] if any(by_fold.values()) else ["no finished run yet"]
    if done:
        compared = compared_arms(done)
        parts = [
            counts_text(done, READ),
            means_table(done, READ, ALL_MEANS),
            "Change against uniform of the same loss, **bold** where the interval excludes zero:",
            changes_table(done, compared, READ, OF_EER),
            changes_table(done, compared, READ, AT_ONE_THRESHOLD),
            "By country or region:",
            regions_table(done, compared),
            claims_table(done),
            "Fold by fold, means over seeds:",
            *parts,
        ]
    return "\n\n".join(parts)


def regions_table(done: StudyFigures, compared: Sequence[str]) -> str:
    """Errors of the first method in each group that is large enough, and what the others change of its EER."""
    first = next(iter(done))
    groups = next(iter(done[first].values())).lists[READ].groupings[COUNTRY]
    rows = [
        (group, *_counts(groups, group), *_errors(done[first], group), *_changes(done, compared, group))
        for group, is_compared in zip(groups.groups, groups.compared, strict=True)
        if is_compared
    ]
    errors = [f"{name}, {ARMS[first].title}" for name in ("EER %", "FMR %", "FNMR %")]
    changes = [f"EER, {ARMS[arm].title}" for arm in compared]
    return markdown_table(("group", "talkers", "target / nontarget", *errors, *changes), rows)


def folds_table(by_fold: Mapping[int, StudyFigures]) -> str:
    """EER / FMR / FNMR of each method in each fold."""
    arms = [arm for arm in ARMS if any(figures.get(arm) for figures in by_fold.values())]
    rows = [
        (ARMS[arm].title, *(_fold_cell(figures[arm]) if figures.get(arm) else "-" for figures in by_fold.values()))
        for arm in arms
    ]
    return markdown_table(("EER / FMR / FNMR %", *(f"fold {number}" for number in by_fold)), rows)


def _fold_cell(runs: Mapping[int, RunFigures]) -> str:
    means = (replace(mean_of(runs, READ, column), ci95=None) for column in OF_FOLD)
    return " / ".join(figure_text(mean, digits=2) for mean in means)


def _counts(groups: GroupFigures, group: str) -> tuple[str, str]:
    number = groups.groups.index(group)
    return str(groups.n_speakers[number]), f"{groups.n_target[number]} / {groups.n_nontarget[number]}"


def _errors(runs: Mapping[int, RunFigures], group: str) -> Iterator[str]:
    groups = next(iter(runs.values())).lists[READ].groupings[COUNTRY]
    n_speakers = groups.n_speakers[groups.groups.index(group)]
    for measure in ("eer", "fmr", "fnmr"):
        yield figure_text(floored(mean_of(runs, READ, group_column(measure, COUNTRY, group)), n_speakers))


def _changes(done: StudyFigures, compared: Sequence[str], group: str) -> Iterator[str]:
    column = group_column("eer", COUNTRY, group)
    for arm in compared:
        yield change_text(column, change(done[ARMS[arm].against], done[arm], READ, column))
