"""Groups for people at a terminal: a table per grouping, what lies between its groups, and what another system changed.

All of it fits eighty columns. training.report_json has the same and more, for programs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from training.evaluate import Evaluation
from training.fairness.disaggregated import Disaggregated, Index
from training.fairness.gaps import Gap
from training.metrics.bootstrap import Summary
from training.report_json import read_figure
from training.tables import TITLES, TOO_SMALL, measure_text, units_of

# The first hides disparity, for every group gets a threshold of its own; the others are at the one that is deployed.
GROUP_MEASURES = ("eer", "fmr", "fnmr")
INDICES = {"garbe": ("GARBE", "under"), "fdr": ("FDR", "over")}
# Groups named in a line on those that are not compared.
NAMED = 6


def group_table(evaluation: Evaluation, column: str) -> Table:
    """A row per group: people, trials, EER, and FMR and FNMR at the threshold, each with its interval."""
    groups = evaluation.by_group[column]
    pairs = evaluation.disaggregated[column].grouping.pairs
    title = f"by {column}" + (f", trials {pairs}" if pairs else "")
    table = Table(title=escape(title), title_justify="left", box=None, padding=(0, 1, 0, 0), caption_justify="left")
    table.add_column("group", overflow="fold")
    for heading in (units_of(evaluation), "target /\nnontarget", *(TITLES[name] for name in GROUP_MEASURES)):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, summary in groups.items():
        table.add_row(escape(f"{name}{' *' if summary.too_small else ''}"), *_cells(summary))
    if any(summary.too_small for summary in groups.values()):
        table.caption = f"* {TOO_SMALL}"
    return table


def gap_lines(result: Disaggregated) -> Iterator[str]:
    """Sentences: who is served worse, by how much, how sure; then who is pooled, too small or left out."""
    for measure in GROUP_MEASURES:
        if gap := result.gaps.get(measure):
            yield _gap_text(measure, gap, result)
    for name, index in result.indices.items():
        yield _index_text(name, index)
    if not result.gaps:
        yield "nothing to compare: gaps need two groups that are known and large enough"
    yield from _left_out_lines(result)


def change_lines(changes: Mapping[str, Any]) -> Iterator[str]:
    """After minus before, overall, by group and of the gaps; below zero = the one asked about is better or fairer."""
    yield f"{changes['after']} minus {changes['before']}, on the same draws (below zero = {changes['after']} is better)"
    where = changes["before_threshold"]
    chosen = ", chosen on these very trials" if where["chosen_on_these_trials"] else ""
    yield f"  {changes['before']} is accepted from {where['value']:.4g} ({where['source']}{chosen})"
    yield f"  overall: {_changes_text(changes['overall'])}"
    for column, groups in changes["by_group"].items():
        for name, measures in groups.items():
            yield f"  {column} {name}: {_changes_text(measures)}"
        gaps = changes["gaps"][column]
        widths = {name: gaps[name]["difference"] for name in GROUP_MEASURES if name in gaps}
        if widths:
            yield f"  {column}, widest gap: {_changes_text(widths)}"
        if "garbe" in gaps:
            yield f"  {column}, GARBE: {measure_text('garbe', read_figure(gaps['garbe']))}"


def caution_lines(evaluation: Evaluation) -> Iterator[str]:
    """What a reader must know beside the figures."""
    if evaluation.unheard:
        yield f"{len(evaluation.unheard)} sides have too little speech, and their trials are refused"
    if refused := int(evaluation.refused.sum()):
        yield f"{refused} trials are refused: no threshold accepts them"
    if withheld := int(evaluation.withheld.sum()):
        yield f"{withheld} trials lie in the policy's band: the service withholds these decisions, the rates count them"
        yield from _withheld_lines(evaluation)
    if repeated := evaluation.trials.n_repeated:
        yield f"{repeated} trials stand more than once in the list, either way round: each time counts"
    if selves := evaluation.trials.n_with_itself:
        yield f"{selves} trials are of a recording with itself, which any system accepts: leave them out"
    if unnamed := evaluation.trials.n_unnamed:
        sides = len(evaluation.trials.sides)
        who = "nobody says who speaks" if unnamed == sides else f"nobody says who speaks in {unnamed} of {sides} sides"
        yield f"{who}: files stand for people, and intervals are too narrow"
    for column in evaluation.passed_over:
        yield f"column {column} has too many values to be groups and is passed over"


def _withheld_lines(evaluation: Evaluation) -> Iterator[str]:
    """By group, of own attempts and of strangers."""
    target = evaluation.trials.target
    for name, result in evaluation.disaggregated.items():
        for number in result.compared:
            inside = result.grouping.labels == number
            own, strange = (100 * evaluation.withheld[inside & kind].mean() for kind in (target, ~target))
            group = result.grouping.groups[number]
            yield f"  {name} {group}: {own:.1f} % of own attempts, {strange:.1f} % of strangers"


def _cells(summary: Summary) -> list[str]:
    counts = (f"{summary.n_speakers}", f"{summary.n_target} /\n{summary.n_nontarget}")
    # The interval on a line of its own keeps the table within 80 columns.
    figures = (measure_text(name, summary.figures[name]).replace(" [", "\n[") for name in GROUP_MEASURES)
    return [*counts, *figures]


def _gap_text(measure: str, gap: Gap, result: Disaggregated) -> str:
    worst, best = (result.name_of(group) for group in (gap.widest.worse, gap.widest.better))
    chance = "" if gap.difference_by_chance is None else f", by chance up to {gap.difference_by_chance * 100:.2f}"
    width = measure_text(measure, gap.widest.difference)
    ratio = "" if gap.ratio.value is None else f"; ratio {measure_text('ratio', gap.ratio)}"
    text = f"{TITLES[measure]}: {worst} over {best} by {width}{chance}{ratio}"
    if gap.surest.sure:
        if gap.surest == gap.widest:
            return f"{text}; surely more than chance"
        worse, better = (result.name_of(group) for group in (gap.surest.worse, gap.surest.better))
        return (
            f"{text}; surely more than chance: {worse} over {better} by {measure_text(measure, gap.surest.difference)}"
        )
    return f"{text}; may be chance"


def _index_text(name: str, index: Index) -> str:
    title, side = INDICES[name]
    chance = "" if index.by_chance is None else f", by chance {side} {index.by_chance:.3f}"
    return f"{title}: {measure_text(name, index.figure)}{chance}"


def _left_out_lines(result: Disaggregated) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for group, reason in result.not_compared.items():
        reasons.setdefault(reason, []).append(group)
    for reason, groups in reasons.items():
        yield f"not compared ({reason}): {_listed(groups)}"
    for group, members in result.grouping.members.items():
        yield f"{group}: {_listed([f'{country} {people}' for country, people in members.items()])}"
    if result.grouping.n_left_out:
        yield f"{result.grouping.n_left_out} trials are of no group with trials {result.grouping.pairs}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _changes_text(measures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{TITLES[name]} {measure_text(name, read_figure(measures[name]))}"
        for name in GROUP_MEASURES
        if name in measures
    )
