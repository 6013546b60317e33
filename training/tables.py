"""Figures for people: tables and progress on a terminal, Markdown for README."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from training.evaluate import Evaluation
from training.figure_text import figure_text
from training.metrics.bootstrap import RATES, Figure
from training.metrics.score_bins import MEASURES

TITLES = {
    "eer": "EER %",
    "min_dcf_01": "minDCF(0.01)",
    "min_dcf_05": "minDCF(0.05)",
    "fmr": "FMR %",
    "fnmr": "FNMR %",
    "act_dcf_01": "actDCF(0.01)",
    "act_dcf_05": "actDCF(0.05)",
    "cllr": "Cllr",
    "min_cllr": "minCllr",
    "calibration_error": "calibration error",
}
TOO_SMALL = "too few speakers or trials to conclude from"


@contextmanager
def progress_over(total: int, what: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr, so that stdout stays clean for --json; yields what to call after each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As Markdown has them."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows))


def counts_text(evaluation: Evaluation) -> str:
    """What the figures rest on."""
    overall = evaluation.overall
    trials = f"{overall.n_target} target and {overall.n_nontarget} nontarget trials"
    where = f"accepted from {evaluation.threshold.value:.4g} ({threshold_text(evaluation)})"
    return f"{evaluation.system.name}: {trials} of {overall.n_speakers} {units_of(evaluation)}; {where}"


def threshold_text(evaluation: Evaluation) -> str:
    """Whose choice the threshold is, with what makes it look better than it is."""
    chosen = evaluation.threshold
    return chosen.source + (", chosen on these very trials" if chosen.chosen_on_these_trials else "")


def overall_table(evaluation: Evaluation) -> Table:
    """A row per measure, narrow enough for any terminal."""
    overall = evaluation.overall
    table = Table(caption=TOO_SMALL if overall.too_small else None, caption_justify="left")
    for title in ("measure", "value", f"95 % over {units_of(evaluation)}"):
        table.add_column(title, justify="left" if title == "measure" else "right", no_wrap=True)
    for name in MEASURES:
        value, _, interval = measure_text(name, overall.figures[name]).partition(" ")
        table.add_row(TITLES[name], value, interval)
    return table


def measure_text(name: str, figure: Figure) -> str:
    """A value and its interval, EER in percent."""
    scale, digits = (100, 2) if name in RATES else (1, 3)
    return figure_text(figure, scale=scale, digits=digits, missing="n/a")


def units_of(evaluation: Evaluation) -> str:
    """What intervals draw, for a heading."""
    return "speakers" if evaluation.trials.has_speakers else "files"
