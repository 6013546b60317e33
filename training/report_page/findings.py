"""What the gaps say, in sentences: who is served worse, by how much, how sure; or that no gap is shown, and how small
a gap could have been seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from training.metrics.bootstrap import FEW_TRIALS, FEW_UNITS
from training.report_json import read_figure
from training.report_page.reading import Column, Json, Report
from training.report_page.wording import HARM_OF, SHARE_OF, interval, often, percent

MOST_IN_LEAD = 2


class Outcome(StrEnum):
    """What the page calls it."""

    SHOWN = "Gap shown"
    NOT_SHOWN = "No gap shown"
    UNTOLD = "Cannot be told"  # too few people, no intervals, or no errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of error in one way of grouping. `worse` and `better` are empty where nothing can be compared."""

    harm: str
    outcome: Outcome
    worse: str = ""
    better: str = ""
    rates: str = ""
    sureness: str = ""

    @property
    def shown(self) -> bool:
        return self.outcome is Outcome.SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All that is found of one column."""

    column: Column
    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        """A gap in any kind of error is a gap."""
        return next(each for each in Outcome if each in {finding.outcome for finding in self.findings})


def verdicts(report: Report) -> tuple[Verdict, ...]:
    """In the order of the report."""
    unit = f"{report.raw['unit']}s"
    return tuple(Verdict(column=column, findings=tuple(_findings(column, unit))) for column in report.columns)


def lead(found: tuple[Verdict, ...]) -> str:
    """The page in a few sentences."""
    if not found:
        return "Nobody was grouped, so nothing is known of who is served worse."
    shown = [
        f"By {verdict.column.name}, {finding.worse} is served worse than {finding.better}: {finding.rates}."
        for verdict in found
        for finding in verdict.findings
        if finding.shown
    ]
    return paragraph(shown, {verdict.column.name: verdict.outcome for verdict in found})


def paragraph(shown: Sequence[str], outcomes: Mapping[str, Outcome]) -> str:
    """The first gaps that are shown, then the groupings by which none is."""
    more = [f"{len(shown) - MOST_IN_LEAD} more below."] if len(shown) > MOST_IN_LEAD else []
    silent, untold = (
        [name for name, found in outcomes.items() if found is outcome]
        for outcome in (Outcome.NOT_SHOWN, Outcome.UNTOLD)
    )
    none = [f"No gap is shown by {listed(silent)}; that does not prove there is none."] if silent else []
    unknown = [f"Nothing can be told by {listed(untold)}."] if untold else []
    return " ".join([*shown[:MOST_IN_LEAD], *more, *none, *unknown])


def _findings(column: Column, unit: str) -> Iterator[Finding]:
    if len(column.compared) < 2:
        enough = f"{FEW_UNITS} {unit} and {FEW_TRIALS} trials of each kind"
        yield Finding(
            harm="all errors",
            outcome=Outcome.UNTOLD,
            sureness=f"Nothing can be compared: fewer than two groups have {enough}.",
        )
        return
    for measure in HARM_OF:
        if measure in column.measures:
            yield _finding(column, measure, column.measures[measure])


def _finding(column: Column, measure: str, gap: Json) -> Finding:
    surest = gap["surest"]
    shown = bool(surest["excludes_zero"])
    measured = gap["difference"]["ci95"] is not None and gap["difference"]["by_chance"] is not None
    # Nobody errs, or everybody: nothing varies that could tell groups apart.
    stuck = all(group.value(measure) in (0, 1) for group in column.compared)
    worse, better = (surest["worse"], surest["better"]) if shown else (gap["worst"], gap["best"])
    rate_of = {group.name: group.value(measure) for group in column.compared}
    return Finding(
        harm=HARM_OF[measure],
        outcome=Outcome.SHOWN if shown else Outcome.NOT_SHOWN if measured and not stuck else Outcome.UNTOLD,
        worse=worse,
        better=better,
        rates=f"{percent(rate_of[worse])} against {percent(rate_of[better])} {SHARE_OF[measure]}",
        sureness=_sure(surest, gap, rate_of[worse], rate_of[better]) if shown else _unsure(gap, stuck=stuck),
    )


def _sure(surest: Json, gap: Json, worse: float | None, better: float | None) -> str:
    difference = read_figure(surest["difference"])
    times = f", {worse / better:.1f} times as many" if worse and better else ""
    text = f"{percent(difference.value, unit='')} points more{times}. The 95\u00a0% interval of the difference, "
    text += f"{interval('fnmr', difference)} points, leaves out zero"
    chance = gap["p_equal"]
    return (
        f"{text}. Were all groups alike, {often(chance)} audits would show a pair this far apart."
        if chance
        else f"{text}."
    )


def _unsure(gap: Json, *, stuck: bool) -> str:
    difference: Any = gap["difference"]
    value, by_chance = read_figure(difference), difference["by_chance"]
    if value.ci95 is None or by_chance is None:
        return "No intervals were made, so this may be chance: run again with draws."
    if stuck:
        return (
            "No group has both right and wrong decisions to compare. With this many people they may still differ by "
            f"{percent(value.ci95[1], unit='')} points."
        )
    return (
        f"That is the widest difference, {percent(value.value, unit='')} points; its 95\u00a0% interval, "
        f"{interval('fnmr', value)} points, holds zero. Groups exactly alike would show up to "
        f"{percent(by_chance, unit='')} points one time in twenty, so with this many people a smaller gap could not "
        "have been seen."
    )


def listed(names: list[str]) -> str:
    """ "a, b or c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
