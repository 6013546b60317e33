"""Curves of a few groups over one another: detection error trade-off, and calibration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from training.metrics.bootstrap import FEW_TRIALS
from training.report_page.drawing import MAX_SERIES, Point, chart, line, marker, path, swatch, text
from training.report_page.reading import Column, Group, Report
from training.report_page.scales import DeviateScale, Scale, deviate_scale
from training.report_page.wording import percent

LEFT, RIGHT, TOP, FLOOR, HEIGHT = 50, 348, 10, 300, 342
MARKS_A_CURVE = 6
# Bins of posteriors with fewer trials jump about: neighbours are drawn as one.
LEAST_TRIALS = FEW_TRIALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One curve and its key. Series -1 = everybody."""

    group: Group
    series: int

    @property
    def key(self) -> Markup:
        return swatch(self.series)


def drawn_groups(report: Report, column: Column) -> tuple[Drawn, ...]:
    """Everybody, then of the compared groups with curves the worst and the best, as many as can be told apart."""
    groups = [group for group in column.compared if group.curve]
    if len(groups) > MAX_SERIES - 1:
        worst = MAX_SERIES // 2
        groups = groups[:worst] + groups[worst + 1 - MAX_SERIES :]
    each = (Drawn(group=group, series=number) for number, group in enumerate(groups, 1))
    return (Drawn(group=report.overall, series=-1), *each)


def det_chart(report: Report, column: Column, drawn: Sequence[Drawn]) -> Markup:
    """Miss against false match as the threshold moves, on normal-deviate axes; a large mark where it stands."""
    rates = [rate for each in drawn for rate in (each.group.value("fmr"), each.group.value("fnmr")) if rate]
    ends = min(rates, default=0.01) / 2, max(rates, default=0.2) * 1.5
    across, up = deviate_scale(*ends, LEFT, RIGHT), deviate_scale(*ends, FLOOR, TOP)
    parts = [
        *_axes(across, up),
        *_axis_titles("strangers wrongly accepted (FMR)", "own attempts wrongly rejected (FNMR)"),
    ]
    for each in drawn:
        parts += _det(each, across, up)
    title = f"Detection error trade-off by {column.name}"
    told = "Nearer to the lower left corner is better. A large mark is where the deployed threshold stands."
    return chart(f"det-{column.number}", title, told, HEIGHT, parts)


def calibration_chart(column: Column, drawn: Sequence[Drawn]) -> Markup:
    """How often what was promised came true, at prior one half."""
    across, up = Scale(low=0, high=1, start=LEFT, end=RIGHT), Scale(low=0, high=1, start=FLOOR, end=TOP)
    parts = [
        *_axes(across, up),
        *_axis_titles("probability of the same person, promised", "share that was the same person"),
        line((LEFT, FLOOR), (RIGHT, TOP), "reference"),
    ]
    for each in drawn:
        points = [(across(promised), up(seen)) for promised, seen in joined_bins(each.group)]
        if points:
            parts += [path(points, _line(each)), *(marker(point, each.series) for point in points)]
    title = f"Calibration by {column.name}"
    told = "On the diagonal promises are kept; below it the system is too sure that people are the same."
    return chart(f"calibration-{column.number}", title, told, HEIGHT, parts)


def reliability_of(group: Group) -> list[tuple[float, float, int]]:
    """Promised, seen and number of trials of each bin that is not empty."""
    curve = group.curve["reliability"] if group.curve else None
    return list(zip(curve["promised"], curve["seen"], curve["n_trials"], strict=True)) if curve else []


def joined_bins(group: Group) -> list[tuple[float, float]]:
    """Promised and seen, of neighbouring bins joined until they hold LEAST_TRIALS; what is left over is not drawn."""
    points, bins, n_trials = [], list[int](), 0
    curve = group.curve["reliability"] if group.curve else None
    for number, more in enumerate(curve["n_trials"] if curve else ()):
        bins, n_trials = [*bins, number], n_trials + more
        if curve and n_trials >= LEAST_TRIALS:
            share = np.array(curve["share"])[bins]
            promised, seen = (float(share @ np.array(curve[name])[bins] / share.sum()) for name in ("promised", "seen"))
            points.append((promised, seen))
            bins, n_trials = [], 0
    return points


def miss_rate_at(group: Group, fmr: float) -> float | None:
    """The least FNMR where FMR is at most this, one of training.fairness.curves.FALSE_MATCH_RATES."""
    if not group.curve:
        return None
    points = zip(group.curve["det"]["fmr"], group.curve["det"]["fnmr"], strict=True)
    return min((fnmr for each, fnmr in points if each <= fmr), default=None)


def _det(each: Drawn, across: DeviateScale, up: DeviateScale) -> Iterator[Markup]:
    curve = each.group.curve
    if not curve:
        return
    points = [(across(fmr), up(fnmr)) for fmr, fnmr in zip(curve["det"]["fmr"], curve["det"]["fnmr"], strict=True)]
    inside = _within(points)
    if not inside:
        return
    yield path(inside, _line(each))
    for number in range(MARKS_A_CURVE):
        yield marker(inside[(2 * number + 1) * len(inside) // (2 * MARKS_A_CURVE)], each.series)
    fmr, fnmr = each.group.value("fmr"), each.group.value("fnmr")
    if fmr is not None and fnmr is not None:
        yield marker((across(fmr), up(fnmr)), each.series, "mark large")


def _within(points: Sequence[Point]) -> list[Point]:
    """Without the runs along the edges, where rates are beyond the axes; one point of each run is kept."""
    edge = [x in (LEFT, RIGHT) or y in (TOP, FLOOR) for x, y in points]
    near = [not here or not all(edge[max(0, at - 1) : at + 2]) for at, here in enumerate(edge)]
    return [point for point, kept in zip(points, near, strict=True) if kept]


def _axes(across: Scale | DeviateScale, up: Scale | DeviateScale) -> Iterator[Markup]:
    for tick in across.ticks():
        yield line((across(tick), TOP), (across(tick), FLOOR), "grid")
        yield text((across(tick), FLOOR + 15), _tick(tick), "tick middle")
    for tick in up.ticks():
        yield line((LEFT, up(tick)), (RIGHT, up(tick)), "grid")
        yield text((LEFT - 5, up(tick) + 4), _tick(tick), "tick end")
    yield path([(LEFT, TOP), (LEFT, FLOOR), (RIGHT, FLOOR)], "axis")


def _axis_titles(across: str, up: str) -> Iterator[Markup]:
    yield text(((LEFT + RIGHT) / 2, HEIGHT - 8), across, "label middle")
    turned = Markup('<g transform="translate(11,{}) rotate(-90)">{}</g>')
    yield turned.format((TOP + FLOOR) / 2, text((0, 0), up, "label middle"))


def _tick(rate: float) -> str:
    return percent(rate, unit="").removesuffix(".0").removesuffix("0") if rate < 0.01 else f"{round(100 * rate)}"


def _line(each: Drawn) -> str:
    return "line all" if each.series < 0 else f"line s{each.series}"
