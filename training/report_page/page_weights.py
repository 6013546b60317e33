"""The weights an adversary gave each group in training, drawn and in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from training.report_page.drawing import MAX_SERIES, chart, line, marker, path, text
from training.report_page.page_tables import Cell, PageTable
from training.report_page.scales import Scale
from training.report_page.wording import count, number, shortened

LEFT, RIGHT, TOP, FLOOR, HEIGHT = 40, 262, 12, 200, 240


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSeries:
    """Mean weight of one group, averaged over spans of steps."""

    group: str
    steps: tuple[float, ...]
    weights: tuple[float, ...]


def weights_chart(series: Sequence[WeightSeries]) -> Markup:
    """The most and the least weighty groups, named at the end of their line."""
    drawn = [*series[: MAX_SERIES // 2], *series[MAX_SERIES // 2 :][-(MAX_SERIES // 2) :]]
    weights = [weight for each in drawn for weight in each.weights]
    last = max(each.steps[-1] for each in drawn)
    across = Scale(low=0, high=max(last, 1), start=LEFT, end=RIGHT)
    up = Scale(low=min(0.9, *weights), high=max(1.1, *weights), start=FLOOR, end=TOP)
    parts = [path([(LEFT, TOP), (LEFT, FLOOR), (RIGHT, FLOOR)], "axis")]
    for tick in up.ticks():
        parts += [
            line((LEFT, up(tick)), (RIGHT, up(tick)), "grid"),
            text((LEFT - 5, up(tick) + 4), f"{tick:g}", "tick end"),
        ]
    for tick in across.ticks(3):
        parts.append(text((across(tick), FLOOR + 15), count(round(tick)), "tick middle"))
    parts.append(text(((LEFT + RIGHT) / 2, HEIGHT - 6), "steps of training", "label middle"))
    for number_, (each, at) in enumerate(zip(drawn, _spread([up(each.weights[-1]) for each in drawn]), strict=True)):
        points = [(across(step), up(weight)) for step, weight in zip(each.steps, each.weights, strict=True)]
        parts += [path(points, f"line s{number_}"), marker(points[-1], number_)]
        parts.append(text((RIGHT + 8, at + 4), shortened(each.group, 14), "label"))
    return chart("weights", "Mean weight by group during training", "Equal weights are 1.", HEIGHT, parts)


def weights_table(series: Sequence[WeightSeries]) -> PageTable:
    """Every group, drawn or not."""
    return PageTable(
        caption="Mean weight by group",
        columns=("group", "start of training", "end of training"),
        rows=tuple(
            (Cell(text=each.group), Cell(text=number(each.weights[0])), Cell(text=number(each.weights[-1])))
            for each in series
        ),
    )


def _spread(places: list[float]) -> list[float]:
    """Down the page in their order, at least a line of text apart."""
    spread: list[float] = []
    for place in places:
        spread.append(max(place, spread[-1] + 14) if spread else place)
    return spread
