"""A chosen policy for people at a terminal: what it gives, what the limits cost, and what a reader must know."""

from collections.abc import Iterator

from rich.table import Table

from training.choose_policy import Chosen, bounded_figure, title
from training.fairness.limits import measure_of
from training.metrics.bootstrap import Figure
from training.metrics.score_bins import AT_THRESHOLD
from training.tables import measure_text


def choice_table(chosen: Chosen) -> Table:
    """A row for the cost, each rate and each limit: without limits, and at the chosen threshold with its interval."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold")
    for heading in ("limit", "cheapest", "within limits" if chosen.choice.feasible else "nearest", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    cheapest, best = chosen.choice.cheapest, chosen.choice.best
    table.add_row("threshold", "", f"{cheapest.threshold:.4f}", f"{best.threshold:.4f}", "")
    table.add_row("cost", "", f"{cheapest.cost:.4f}", f"{best.cost:.4f}", _interval("cost", chosen.cost()))
    for name, one, other in (("fmr", cheapest.fmr, best.fmr), ("fnmr", cheapest.fnmr, best.fnmr)):
        interval = _interval(name, chosen.best.overall.figures[name])
        table.add_row(f"{name.upper()} %", "", f"{one * 100:.2f}", f"{other * 100:.2f}", interval)
    for (grouping, limit), value in best.values.items():
        most = chosen.request.limits.given()[limit]
        table.add_row(
            title(grouping, limit),
            _plain(limit, most),
            _plain(limit, cheapest.values[grouping, limit]),
            _plain(limit, value) + (" !" if value > most else ""),
            _interval(limit, bounded_figure(chosen.best, grouping, limit)),
        )
    return table


def choice_lines(chosen: Chosen) -> Iterator[str]:
    """What the table does not say."""
    if not chosen.choice.feasible:
        yield "no threshold keeps all limits. The nearest, exceeding the worst of them least:"
        yield from (f"  {text}" for text in _exceeded(chosen))
        yield "loosen a limit, or mend the scores: a threshold cannot separate what the scores mix"
    yield from levelled_down(chosen)
    price, share = chosen.price(), ""
    if chosen.choice.cheapest.cost:
        share = f", {price.value / chosen.choice.cheapest.cost:+.1%}" if price.value is not None else ""
    yield f"the limits cost {measure_text('cost', price)}{share}; 1 = the cost of not listening at all"
    if (kept := chosen.kept()) is not None and chosen.request.limits.given():
        yield f"all of them hold in {kept:.0%} of draws of other such people"
    for name in chosen.groupings:
        if outside := chosen.best.disaggregated[name].not_compared:
            yield f"by {name} the limits are not on {', '.join(outside)}: too small, or unknown"
    yield "chosen on these very trials: judge it on other people, `equivox evaluate verification --policy`"


def levelled_down(chosen: Chosen) -> Iterator[str]:
    """A ratio or a difference shrinks when everybody is served worse, too: words for where that is how."""
    given = chosen.request.limits.given()
    for (grouping, limit), value in chosen.choice.cheapest.values.items():
        name = AT_THRESHOLD[measure_of(limit)]
        # A limit that was kept anyway has moved nothing.
        if not limit.endswith(("ratio", "difference")) or value <= given[limit]:
            continue
        before, after = (
            bounded_figure(each, grouping, f"max_worst_{name}").value for each in (chosen.cheapest, chosen.best)
        )
        if before is not None and after is not None and after > before:
            rates = f"from {_plain(name, before)} to {_plain(name, after)}"
            yield f"levelled down: for {title(grouping, limit)} the worst-served group's rate rose {rates}"


def _exceeded(chosen: Chosen) -> list[str]:
    """The limits the point does not keep, in words."""
    given = chosen.request.limits.given()
    return [
        f"{title(grouping, limit)} is {_plain(limit, value)}, limit {_plain(limit, given[limit])}"
        for (grouping, limit), value in chosen.choice.best.values.items()
        if value > given[limit]
    ]


def _scale(limit: str) -> str:
    """The measure measure_text knows of the same scale."""
    return limit if limit == "cost" or limit.endswith("ratio") else "fnmr"


def _plain(limit: str, value: float) -> str:
    return measure_text(_scale(limit), Figure(value, None)) + ("" if limit.endswith("ratio") else " %")


def _interval(limit: str, figure: Figure) -> str:
    return measure_text(_scale(limit), figure).partition(" ")[2]
