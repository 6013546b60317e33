"""How scores are spread, target trials beside nontarget ones, a band for each group on one axis."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from training.report_page.curve_charts import Drawn
from training.report_page.drawing import Point, chart, line, path, text
from training.report_page.reading import Column, Group, Report
from training.report_page.scales import Scale
from training.report_page.wording import number, shortened, signed

BAND, LEFT, RIGHT, TOP, BOTTOM = 62, 8, 352, 26, 40
QUANTILES = (0.05, 0.5, 0.95)


def distributions_chart(report: Report, column: Column, drawn: Sequence[Drawn]) -> Markup:
    """A band a group: targets filled, nontargets dashed; the threshold through all of them.

    Heights are square roots of shares: LLRs gather at both ends, and what matters lies between.
    """
    edges = report.score_edges
    across = Scale(low=edges[0], high=edges[-1], start=LEFT, end=RIGHT)
    height = TOP + BAND * len(drawn) + BOTTOM
    floor = height - BOTTOM
    tallest = max(
        share for each in drawn for share in (*shares(each.group, "target"), *shares(each.group, "nontarget"))
    )
    parts = list(_axis(across, floor, report))
    for row, each in enumerate(drawn):
        parts += _band(each.group, across, edges, TOP + BAND * (row + 1), tallest)
    place = across(report.threshold)
    parts += [line((place, TOP - 6), (place, floor), "threshold"), text((place, TOP - 12), "threshold", "tick middle")]
    title = f"Spread of scores by {column.name}"
    told = "For each group the scores of a person's own attempts, filled, lie right of those of strangers, dashed."
    return chart(f"scores-{column.number}", title, told, height, parts)


def shares(group: Group, kind: str) -> tuple[float, ...]:
    return tuple(group.curve[kind]) if group.curve else ()


def score_quantiles(report: Report, group: Group, kind: str) -> list[str]:
    """Scores that 5 %, half and 95 % of the trials lie below, to the width of a bar."""
    reached = np.cumsum(shares(group, kind))
    if not len(reached):
        return [number(None)] * len(QUANTILES)
    at = np.minimum(np.searchsorted(reached, QUANTILES), len(reached) - 1)
    middles = (np.array(report.score_edges[1:]) + report.score_edges[:-1]) / 2
    return [signed(float(middles[index]), 1) for index in at]


def _band(group: Group, across: Scale, edges: Sequence[float], base: float, tallest: float) -> Iterator[Markup]:
    up = Scale(low=0, high=math.sqrt(tallest), start=base, end=base - BAND + 18)
    yield text((LEFT, base - BAND + 12), shortened(group.name, 40), "label")
    yield line((LEFT, base), (RIGHT, base), "grid")
    for kind in ("target", "nontarget"):
        yield path(_outline(shares(group, kind), across, edges, up), kind, closed=kind == "target")


def _outline(heights: Sequence[float], across: Scale, edges: Sequence[float], up: Scale) -> list[Point]:
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    points = [(across(middle), up(math.sqrt(height))) for middle, height in zip(middles, heights, strict=True)]
    return [(across(edges[0]), up(0)), *points, (across(edges[-1]), up(0))]


def _axis(across: Scale, floor: float, report: Report) -> Iterator[Markup]:
    for tick in across.ticks(6):
        yield text((across(tick), floor + 15), number(tick).rstrip("0").removesuffix("."), "tick middle")
        yield line((across(tick), floor), (across(tick), floor + 4), "axis")
    unit = "log-likelihood ratio (0 = says nothing)" if report.raw["calibrated"] else "score"
    yield text(((LEFT + RIGHT) / 2, floor + 32), unit, "label middle")
