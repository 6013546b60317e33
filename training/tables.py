"""Figures for people: tables and progress on a terminal, Markdown for README."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from training.evaluate import Evaluation
from training.metrics.bootstrap import MEASURES, Figure, Summary

TITLES = {
    "eer": "EER %",
    "min_dcf_01": "minDCF(0.01)",
    "min_dcf_05": "minDCF(0.05)",
    "cllr": "Cllr",
    "min_cllr": "minCllr",
}
PERCENT = {"eer"}


@contextmanager
def progress_over(total: int, what: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr, so that stdout stays clean for --json; yields what to call after each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def evaluation_table(evaluation: Evaluation) -> Table:
    """Overall, then each group; 95 % intervals in brackets."""
    unit = "speakers" if evaluation.trials.has_speakers else "files"
    table = Table(title=f"{evaluation.system.name}: 95 % intervals over {unit}", title_justify="left")
    for title in ("trials", unit, "target", "nontarget"):
        table.add_column(title, justify="left" if title == "trials" else "right")
    for name in MEASURES:
        table.add_column(TITLES[name], justify="right")
    _add(table, "overall", evaluation.overall)
    for column, groups in evaluation.by_group.items():
        table.add_section()
        for value, summary in groups.items():
            _add(table, f"{column} = {value}", summary)
    if any(summary.too_small for groups in evaluation.by_group.values() for summary in groups.values()):
        table.caption = "* too few speakers or trials to conclude from"
    return table


def figure_text(name: str, figure: Figure) -> str:
    """A value and its interval, EER in percent."""
    if figure.value is None:
        return "n/a"
    scale, digits = (100, 2) if name in PERCENT else (1, 3)
    text = f"{figure.value * scale:.{digits}f}"
    if figure.ci95 is None:
        return text
    low, high = (f"{edge * scale:.{digits}f}" for edge in figure.ci95)
    return f"{text} [{low}, {high}]"


def _add(table: Table, label: str, summary: Summary) -> None:
    counts = (summary.n_speakers, summary.n_target, summary.n_nontarget)
    figures = (figure_text(name, summary.figures[name]) for name in MEASURES)
    table.add_row(f"{label} *" if summary.too_small else label, *map(str, counts), *figures)
