"""WER of every cohort as bars with intervals, a row each, and what changed from one system to the next."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from training.metrics.bootstrap import Figure
from training.report_json import read_figure
from training.report_page.dots import (
    BOTTOM,
    LEFT,
    RIGHT,
    ROW,
    TOP,
    Change,
    anchored,
    highest_of,
    moves_chart,
    rate_axis,
    row_name,
    whisker,
)
from training.report_page.drawing import chart, line, path, text
from training.report_page.reading import Json
from training.report_page.scales import Scale, rate_scale
from training.report_page.wording import percent

HARM = "words misheard"
BAR = 10


def bars_chart(number: int, kind: str, cohorts: Sequence[Json], everybody: float) -> Markup:
    """The worst first; cohorts too small to be compared are pale."""
    figures = [read_figure(cohort["wer"]) for cohort in cohorts]
    # Cohorts of two or three people may reach anywhere; they must not squeeze the others.
    told = [figure for cohort, figure in zip(cohorts, figures, strict=True) if not cohort["too_small"]] or figures
    scale = rate_scale(max([everybody, *map(highest_of, told)]), LEFT, RIGHT)
    height = TOP + ROW * len(cohorts) + BOTTOM
    floor, place = height - BOTTOM, scale(everybody)
    parts = [
        *rate_axis(scale, floor, HARM),
        line((place, TOP - 8), (place, floor), "reference"),
        text((place, TOP - 12), "everybody", anchored(place)),
    ]
    for row, (cohort, figure) in enumerate(zip(cohorts, figures, strict=True)):
        parts += _bar(cohort, figure, scale, TOP + ROW * row)
    listed = "; ".join(f"{cohort['name']} {percent(cohort['wer']['value'])}" for cohort in cohorts)
    title = f"{HARM.capitalize()} by {kind}, with 95 % intervals"
    return chart(f"wer-{number}", title, f"Everybody {percent(everybody)}; {listed}.", height, parts)


def wer_changes_chart(number: int, kind: str, cohorts: Sequence[Json]) -> Markup | None:
    """Before (hollow) to after (full); None for a report of one system."""
    rows = {}
    for cohort in cohorts:
        before, after = cohort.get("before", {}).get("value"), cohort["wer"]["value"]
        if before is not None and after is not None and not cohort["too_small"]:
            rows[cohort["name"]] = Change(before=before, after=after, difference=read_figure(cohort["change"]))
    return moves_chart(f"wer-change-{number}", f"{HARM.capitalize()} by {kind}", HARM, rows) if rows else None


def _bar(cohort: Json, figure: Figure, scale: Scale, top: float) -> Iterator[Markup]:
    middle = top + 18
    yield from row_name(cohort["name"], percent(figure.value), middle - 10)
    if figure.value is None:
        return
    end, edges = scale(figure.value), (middle - BAR / 2, middle + BAR / 2)
    corners = ((LEFT, edges[0]), (end, edges[0]), (end, edges[1]), (LEFT, edges[1]))
    yield path(corners, "bar pale" if cohort["too_small"] else "bar", closed=True)
    yield from whisker(figure, scale, middle)
