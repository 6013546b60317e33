"""The page's tables: every group's figures and counts, the gaps, and the numbers behind each chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from training.fairness.curves import FALSE_MATCH_RATES
from training.metrics.bootstrap import Figure
from training.report_json import read_figure
from training.report_page.curve_charts import Drawn, miss_rate_at, reliability_of
from training.report_page.distributions import QUANTILES, score_quantiles
from training.report_page.reading import Column, Group, Json, Report
from training.report_page.wording import NOTHING, count, interval, measured, percent
from training.tables import TITLES

GROUP_MEASURES = ("fnmr", "fmr", "eer", "cllr", "calibration_error")
GAP_MEASURES = ("fnmr", "fmr", "eer", "cllr", "min_dcf_01", "act_dcf_01", "min_cllr")
INDEX_TITLES = {"garbe": "GARBE (0 = alike)", "fdr": "FDR (1 = alike)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`small` stands beside it in smaller type: an interval."""

    text: str
    small: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """The first cell of a row is its header."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def figure_cell(measure: str, figure: Figure) -> Cell:
    """A value with its interval."""
    return Cell(text=measured(measure, figure.value), small=interval(measure, figure))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A chart, what to say of it, and the same in a table."""

    chart: Markup
    note: str
    table: PageTable | None
    keys: Sequence[Drawn] = ()


def groups_table(report: Report, column: Column) -> PageTable:
    """Counts and figures of everybody and every group, small ones too."""
    shown = tuple(measure for measure in GROUP_MEASURES if report.overall.value(measure) is not None)
    return PageTable(
        caption=f"Every group of {column.name}: how much there is of it, and its errors with 95 % intervals",
        columns=(column.name, _unit(report), "target / nontarget trials", *(TITLES[measure] for measure in shown)),
        rows=tuple(tuple(_group_row(group, shown)) for group in (report.overall, *column.groups)),
    )


def gaps_table(column: Column) -> PageTable:
    """Between the compared groups, measure by measure."""
    rows = [tuple(_gap_row(name, column.measures[name])) for name in GAP_MEASURES if name in column.measures]
    rows += [tuple(_index_row(name, index)) for name, index in column.indices.items()]
    return PageTable(
        caption=f"Gaps between groups of {column.name}",
        columns=("measure", "worst", "best", "difference", "would show by chance", "worst / best", "std over groups"),
        rows=tuple(rows),
    )


def det_table(report: Report, column: Column) -> PageTable:
    """The curve at a few false match rates, for every group that has one."""
    groups = (report.overall, *(group for group in column.groups if group.curve))
    return PageTable(
        caption=f"Wrong rejections by {column.name} if the threshold let in so many strangers of each group",
        columns=(column.name, *(f"FMR ≤ {percent(rate)}" for rate in FALSE_MATCH_RATES)),
        rows=tuple(
            (Cell(text=group.name), *(Cell(text=percent(miss_rate_at(group, rate))) for rate in FALSE_MATCH_RATES))
            for group in groups
        ),
    )


def scores_table(report: Report, column: Column) -> PageTable:
    """Where scores lie, for every group that has a curve."""
    names = ("own attempts", "strangers")
    heads = tuple(f"{name}, {percent(at).replace('.0', '')}" for name in names for at in QUANTILES)
    groups = (report.overall, *(group for group in column.groups if group.curve))
    of_group = [[score_quantiles(report, group, kind) for kind in ("target", "nontarget")] for group in groups]
    rows = (
        (Cell(text=group.name), *(Cell(text=text) for text in own + strangers))
        for group, (own, strangers) in zip(groups, of_group, strict=True)
    )
    return PageTable(
        caption=f"Scores by {column.name} that this share of the trials lies below",
        columns=(column.name, *heads),
        rows=tuple(rows),
    )


def calibration_table(column: Column, drawn: Sequence[Drawn]) -> PageTable:
    """Every point of the chart."""
    rows = (
        tuple(Cell(text=text) for text in (each.group.name, percent(promised), percent(seen), count(n_trials)))
        for each in drawn
        for promised, seen, n_trials in reliability_of(each.group)
    )
    return PageTable(
        caption=f"Calibration by {column.name}: what was promised, and what came true",
        columns=(column.name, "promised", "came true", "trials"),
        rows=tuple(rows),
    )


def _group_row(group: Group, shown: Sequence[str]) -> Iterator[Cell]:
    summary = group.summary
    yield Cell(text=group.name, small=_remark(group))
    yield Cell(text=count(summary.n_speakers))
    yield Cell(text=f"{count(summary.n_target)} / {count(summary.n_nontarget)}")
    for measure in shown:
        yield figure_cell(measure, summary.figures[measure])


def _remark(group: Group) -> str:
    members = ", ".join(f"{country or 'unknown'} {number}" for country, number in group.members.items())
    made = f"made of {members}" if members else ""
    return "; ".join(part for part in (made, f"not compared: {group.why_not}" if group.why_not else "") if part)


def _gap_row(measure: str, gap: Json) -> Iterator[Cell]:
    yield Cell(text=TITLES[measure].removesuffix(" %"))
    yield Cell(text=gap["worst"])
    yield Cell(text=gap["best"])
    yield figure_cell(measure, read_figure(gap["difference"]))
    yield Cell(text=measured(measure, gap["difference"]["by_chance"]))
    yield figure_cell("ratio", read_figure(gap["ratio"]))
    yield figure_cell(measure, read_figure(gap["std"]))


def _index_row(name: str, index: Json) -> Iterator[Cell]:
    yield Cell(text=INDEX_TITLES[name])
    yield from (Cell(text=NOTHING), Cell(text=NOTHING))
    yield figure_cell(name, read_figure(index))
    yield Cell(text=measured(name, index["by_chance"]))
    yield from (Cell(text=NOTHING), Cell(text=NOTHING))


def _unit(report: Report) -> str:
    return f"{report.raw['unit']}s"
