"""One self-contained page: everything is in it, and its own policy forbids it to load or run anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.metrics.bootstrap import FEW_TRIALS, FEW_UNITS
from training.report_page.curve_charts import (
    LEAST_TRIALS,
    Drawn,
    calibration_chart,
    det_chart,
    drawn_groups,
    reliability_of,
)
from training.report_page.distributions import distributions_chart
from training.report_page.dots import rates_chart
from training.report_page.findings import Verdict, lead, verdicts
from training.report_page.page_changes import changes_of
from training.report_page.page_tables import (
    PageTable,
    Plot,
    calibration_table,
    det_table,
    gaps_table,
    groups_table,
    scores_table,
)
from training.report_page.page_weights import WeightSeries, weights_chart, weights_table
from training.report_page.reading import Column, Report, read_report, whole_report
from training.report_page.templating import style, template
from training.report_page.wording import HARM_OF, STRANGERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All of one column."""

    verdict: Verdict
    groups: PageTable
    gaps: PageTable | None
    rates: tuple[Plot, ...]
    curves: tuple[Plot, ...]
    not_drawn: int

    @property
    def column(self) -> Column:
        return self.verdict.column


@whole_report()
def render_page(raw: Mapping[str, Any], weights: Sequence[WeightSeries] = ()) -> str:
    """report.json as HTML; `weights`: what an adversary gave each group in training.

    Raises InvalidRequestError for anything but a report of this form.
    """
    report = read_report(raw)
    found = verdicts(report)
    return template("page.html").render(
        report=report,
        raw=report.raw,
        style=style(),
        lead=lead(found),
        verdicts=found,
        sections=[_section(report, verdict) for verdict in found],
        changes=changes_of(report),
        weights=_weights(weights),
        strangers=STRANGERS,
        few_units=FEW_UNITS,
        few_trials=FEW_TRIALS,
    )


def _section(report: Report, verdict: Verdict) -> Section:
    column = verdict.column
    drawn = drawn_groups(report, column)
    with_curve = sum(1 for group in column.groups if group.curve)
    return Section(
        verdict=verdict,
        groups=groups_table(report, column),
        gaps=gaps_table(column) if column.measures else None,
        rates=tuple(_rates(report, column)),
        curves=tuple(_curves(report, column, drawn)),
        not_drawn=with_curve - (len(drawn) - 1),
    )


def _rates(report: Report, column: Column) -> Iterator[Plot]:
    for measure in HARM_OF:
        if report.overall.value(measure) is not None:
            yield Plot(chart=rates_chart(report, column, measure), note="", table=None)


def _curves(report: Report, column: Column, drawn: Sequence[Drawn]) -> Iterator[Plot]:
    yield Plot(
        chart=det_chart(report, column, drawn),
        note="Both errors as the threshold moves, each group by itself. Nearer to the lower left is better; the large "
        "marks are where the deployed threshold stands, and people meet those.",
        table=det_table(report, column),
        keys=drawn,
    )
    if reliability_of(report.overall):
        yield Plot(
            chart=calibration_chart(column, drawn),
            note="What the score promised against what came true, at even odds. Below the diagonal the system is too "
            "sure that two recordings are of one person, above it not sure enough. "
            f"A point stands for at least {LEAST_TRIALS} trials.",
            table=calibration_table(column, drawn),
            keys=drawn,
        )
    yield Plot(
        chart=distributions_chart(report, column, drawn),
        note="Filled: a person's own attempts. Dashed: strangers. Right of the threshold is accepted, left of it "
        "rejected. Heights grow with the square root of the share, so that the tails can be seen.",
        table=scores_table(report, column),
    )


def _weights(series: Sequence[WeightSeries]) -> Plot | None:
    if not series:
        return None
    note = "The mean weight each group got from the adversary as training went on; 1 is what everybody has without one."
    return Plot(chart=weights_chart(series), note=note, table=weights_table(series))
