"""The page on recognition: whom a system mishears more, from the report of training.discover_cohorts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from svc.errors import InvalidRequestError
from training.fairness.cohorts.report import FORM
from training.figure_text import NO_BOUND
from training.report_json import read_figure
from training.report_page.findings import Finding, Outcome, paragraph
from training.report_page.page_tables import PageTable, Plot
from training.report_page.reading import Json, whole_report
from training.report_page.recognition_charts import HARM, bars_chart, wer_changes_chart
from training.report_page.recognition_tables import (
    RATE,
    changes_table,
    cohorts_table,
    comparisons_table,
    domains_table,
    spread_table,
)
from training.report_page.templating import style, template
from training.report_page.wording import interval, often, percent

# A gap is called shown where errors dealt out anew seldom stand as far apart on the other half.
SURE = 0.05
# Of the splits.
HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All of one kind of cohorts."""

    number: int
    ranking: Json
    finding: Finding
    rates: Plot
    changes: Plot | None
    cohorts: PageTable
    spread: PageTable | None
    between: PageTable | None


@whole_report()
def render_recognition(raw: Mapping[str, Any]) -> str:
    """report.json as HTML. Raises InvalidRequestError for anything but a report on cohorts of this form."""
    if raw.get("form") != FORM or "rankings" not in raw:
        message = f"no report on cohorts of form {FORM}: run python -m training.discover_cohorts again"
        raise InvalidRequestError(message, field="report")
    sections = [_section(number, ranking, raw) for number, ranking in enumerate(raw["rankings"])]
    return template("recognition.html").render(
        raw=raw,
        style=style("recognition.css"),
        lead=_lead(sections),
        sections=sections,
        overall=percent(raw["wer"]["value"]),
        domains=domains_table(raw),
        comparisons=comparisons_table(raw),
    )


def finding_of(ranking: Json) -> Finding:
    """What may be said of one kind of cohorts: a gap is shown where it stands on people who did not choose it."""
    spread, found = ranking["spread"], ranking["held_out"]
    if not spread or not found:
        return Finding(
            harm=HARM, outcome=Outcome.UNTOLD, sureness="Fewer than two cohorts are large enough to be compared."
        )
    compared = [cohort for cohort in ranking["cohorts"] if not cohort["too_small"]]
    worse, better = compared[0], compared[-1]
    # Without errors in the better one on the others there is no number: the gap has no bound.
    stands = found["worse_share"] > HALF if found["gap"] is None else found["gap"] > 0
    shown = stands and found["chance"]["p"] <= SURE
    return Finding(
        harm=HARM,
        outcome=Outcome.SHOWN if shown else Outcome.NOT_SHOWN,
        worse=worse["name"],
        better=better["name"],
        rates=f"{percent(worse['wer']['value'])} against {percent(better['wer']['value'])} of words misheard",
        sureness=" ".join(_sureness(ranking, better["name"])),
    )


def _sureness(ranking: Json, better: str) -> Iterator[str]:
    gap, found, chance = read_figure(ranking["spread"]["gap"]), ranking["held_out"], ranking["chance"]
    ends = f" (95\u00a0% interval {interval(RATE, gap)})" if gap.ci95 else ""
    if gap.value is None:
        yield f"That is more without bound{ends}: of {better} nothing was misheard."
    else:
        yield f"That is {percent(gap.value)} more{ends}."
    if chance and chance["median"] is not None:
        yield f"Were all alike, the same search would find {percent(chance['median'])} in the middle case."
    held = f"has {NO_BOUND}" if found["gap"] is None else f"is {percent(found['gap'])}"
    yield (
        f"Settled on half of the speakers, the gap {held} on the others; were all alike, "
        f"{often(found['chance']['p'])} would stand as far apart there."
    )


def _lead(sections: Sequence[Section]) -> str:
    shown = [
        f"By {each.ranking['kind']}, {each.finding.worse} is misheard more than {each.finding.better}: "
        f"{each.finding.rates}."
        for each in sections
        if each.finding.shown
    ]
    return paragraph(shown, {each.ranking["kind"]: each.finding.outcome for each in sections})


def _section(number: int, ranking: Json, raw: Json) -> Section:
    kind, cohorts = ranking["kind"], ranking["cohorts"]
    moved = wer_changes_chart(number, kind, cohorts)
    changes = (
        f"From {raw['before']} (hollow) to {raw['system']} (full), on the same utterances. A cohort that stands out "
        "before comes nearer to the others by luck alone."
    )
    return Section(
        number=number,
        ranking=ranking,
        finding=finding_of(ranking),
        rates=Plot(
            chart=bars_chart(number, kind, cohorts, raw["wer"]["value"] or 0.0),
            note="The bar is what was measured, the line its 95 % interval. A pale bar is a cohort of too few people "
            "to be compared.",
            table=None,
        ),
        changes=Plot(chart=moved, note=changes, table=None) if moved else None,
        cohorts=cohorts_table(ranking),
        spread=spread_table(ranking),
        between=changes_table(ranking),
    )
