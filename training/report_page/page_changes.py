"""Before and after of two systems on the same trials, when the report compares them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from training.report_json import read_figure
from training.report_page.dots import Change, changes_chart
from training.report_page.page_tables import Cell, PageTable, figure_cell
from training.report_page.reading import Column, Group, Json, Report
from training.report_page.wording import HARM_OF
from training.tables import TITLES

CHANGED_MEASURES = ("fnmr", "fmr", "eer", "cllr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """`tables` and `charts` of overall and every column."""

    before: str
    after: str
    # Reports of before it was told have none.
    before_threshold: Json | None
    tables: tuple[PageTable, ...]
    charts: tuple[Markup, ...]


def changes_of(report: Report) -> Changes | None:
    """None for a report of one system alone."""
    content = report.raw.get("changes")
    if not content:
        return None
    shown = tuple(name for name in CHANGED_MEASURES if content["overall"][name]["value"] is not None)
    columns = [column for column in report.columns if column.name in content["by_group"]]
    return Changes(
        before=content["before"],
        after=content["after"],
        before_threshold=content.get("before_threshold"),
        tables=tuple(_table(report, column, content, shown) for column in columns),
        charts=tuple(
            changes_chart(column, measure, changes)
            for column in columns
            for measure in HARM_OF
            if (changes := _rates(column, content["by_group"][column.name], measure))
        ),
    )


def _rates(column: Column, of_groups: Json, measure: str) -> dict[str, Change]:
    return dict(_changed(column, of_groups, measure))


def _changed(column: Column, of_groups: Json, measure: str) -> Iterator[tuple[str, Change]]:
    for group in column.compared:
        after, difference = group.value(measure), read_figure(of_groups[group.name][measure])
        if after is not None and difference.value is not None:
            yield group.name, Change(before=after - difference.value, after=after, difference=difference)


def _table(report: Report, column: Column, content: Json, shown: tuple[str, ...]) -> PageTable:
    gaps: Mapping[str, Json] = content["gaps"].get(column.name, {})
    rows = [_row(report.overall.name, report.overall, content["overall"], shown)]
    rows += [_row(group.name, group, content["by_group"][column.name][group.name], shown) for group in column.groups]
    if gaps:
        changed = (
            figure_cell(name, read_figure(gaps[name]["difference"])) if name in gaps else Cell(text="")
            for name in shown
        )
        rows.append((Cell(text="gap between worst and best"), *changed))
    return PageTable(
        caption=f"What changed by {column.name}, with paired 95 % intervals; below zero is better",
        columns=(column.name, *(f"{TITLES[name]}, change" for name in shown)),
        rows=tuple(rows),
    )


def _row(name: str, group: Group, content: Json, shown: tuple[str, ...]) -> tuple[Cell, ...]:
    return (Cell(text=name), *(figure_cell(measure, read_figure(content[measure])) for measure in shown))
