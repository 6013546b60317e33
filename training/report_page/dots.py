"""A rate of every group with its interval, a row each: at the deployed threshold, or before and after a change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from training.metrics.bootstrap import Figure
from training.report_page.drawing import WIDTH, chart, line, marker, path, text
from training.report_page.reading import Column, Group, Report
from training.report_page.scales import Scale, rate_scale
from training.report_page.wording import HARM_OF, percent, shortened

ROW, TOP, BOTTOM, LEFT, RIGHT = 34, 26, 40, 8, 352
LONGEST_NAME = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rate before and after, and the paired interval of what changed."""

    before: float
    after: float
    difference: Figure


def rates_chart(report: Report, column: Column, measure: str) -> Markup:
    """FMR or FNMR of each group, the worst first, beside that of everybody."""
    everybody = report.overall.value(measure) or 0.0
    # Groups of two or three people may reach anywhere; they must not squeeze the others.
    told = column.compared or column.groups
    highest = max([everybody, *(highest_of(group.summary.figures[measure]) for group in told)])
    scale = rate_scale(highest, LEFT, RIGHT)
    height = TOP + ROW * len(column.groups) + BOTTOM
    floor = height - BOTTOM
    place = scale(everybody)
    parts = [
        *rate_axis(scale, floor, HARM_OF[measure]),
        line((place, TOP - 8), (place, floor), "reference"),
        text((place, TOP - 12), "everybody", anchored(place)),
    ]
    for row, group in enumerate(column.groups):
        parts += _dot(group, group.summary.figures[measure], scale, TOP + ROW * row)
    title = f"{HARM_OF[measure].capitalize()} by {column.name}, with 95 % intervals"
    listed = "; ".join(f"{group.name} {percent(group.value(measure))}" for group in column.groups)
    return chart(f"{measure}-{column.number}", title, f"Everybody {percent(everybody)}; {listed}.", height, parts)


def changes_chart(column: Column, measure: str, changes: Mapping[str, Change]) -> Markup:
    """Before (hollow) to after (full) for each group."""
    rows = {group.name: changes[group.name] for group in column.groups if group.name in changes}
    harm = HARM_OF[measure]
    return moves_chart(f"change-{measure}-{column.number}", f"{harm.capitalize()} by {column.name}", harm, rows)


def moves_chart(name: str, title: str, axis: str, rows: Mapping[str, Change]) -> Markup:
    """A row a group, from a hollow mark to a full one."""
    scale = rate_scale(max(max(each.before, each.after) for each in rows.values()), LEFT, RIGHT)
    height = TOP + ROW * len(rows) + BOTTOM - 16
    parts = list(rate_axis(scale, height - BOTTOM, axis))
    for row, (group, change) in enumerate(rows.items()):
        middle = TOP + ROW * row + 8
        parts += [
            *row_name(group, f"{percent(change.before)} → {percent(change.after)}", middle - 10),
            line((scale(change.before), middle), (scale(change.after), middle), "whisker"),
            marker((scale(change.before), middle), 0, "mark hollow"),
            marker((scale(change.after), middle), 0),
        ]
    told = "; ".join(f"{group} from {percent(each.before)} to {percent(each.after)}" for group, each in rows.items())
    return chart(name, f"{title}, before and after", f"{told}.", height, parts)


def _dot(group: Group, figure: Figure, scale: Scale, top: float) -> Iterator[Markup]:
    middle = top + 18
    yield from row_name(group.name, percent(figure.value), middle - 10)
    if figure.value is None:
        return
    yield from whisker(figure, scale, middle)
    yield marker((scale(figure.value), middle), 0, "mark hollow" if group.why_not else "mark")


def whisker(figure: Figure, scale: Scale, middle: float) -> Iterator[Markup]:
    """The interval; an arrow where it goes on beyond the scale."""
    if not figure.ci95:
        return
    low, high = map(scale, figure.ci95)
    yield line((low, middle), (high, middle), "whisker")
    yield line((low, middle - 4), (low, middle + 4), "whisker")
    beyond = figure.ci95[1] > scale.high
    tip = (high - 6, middle - 4), (high, middle), (high - 6, middle + 4)
    yield path(tip, "whisker") if beyond else line((high, middle - 4), (high, middle + 4), "whisker")


def row_name(name: str, told: str, baseline: float) -> Iterator[Markup]:
    """Whose row it is, and its number at the other end."""
    yield text((LEFT + 4, baseline), shortened(name, LONGEST_NAME), "label")
    yield text((RIGHT, baseline), told, "label end number")


def rate_axis(scale: Scale, floor: float, title: str) -> Iterator[Markup]:
    """Percents along the bottom."""
    yield line((LEFT, floor), (RIGHT, floor), "axis")
    for tick in scale.ticks():
        place = scale(tick)
        yield line((place, TOP - 8), (place, floor), "grid")
        yield text((place, floor + 15), f"{100 * tick:g}\u00a0%", anchored(place))
    yield text((WIDTH / 2, floor + 32), title, "label middle")


def anchored(place: float) -> str:
    """So that text near an edge stays inside."""
    return "tick" if place < LEFT + 24 else "tick end" if place > RIGHT - 24 else "tick middle"


def highest_of(figure: Figure) -> float:
    return max(figure.value or 0.0, *(figure.ci95 or (0.0, 0.0)))
