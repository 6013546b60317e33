"""report.json as the page sees it: groups with their figures, worst first, and what lies between them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jinja2 import UndefinedError

from svc.errors import InvalidRequestError
from training.evaluate import FORM
from training.metrics.bootstrap import Figure, Summary
from training.metrics.score_bins import MEASURES, NOT_DRAWN
from training.metrics.scored_trials import Counts
from training.report_json import read_figure

Json = Mapping[str, Any]
WORST_BY = "fnmr"
EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group. `why_not`: the reason it stands outside the gaps, if it does. `members`: what was pooled into it."""

    name: str
    summary: Summary
    why_not: str = ""
    members: Mapping[str, int]
    curve: Json | None

    def value(self, measure: str) -> float | None:
        return self.summary.figures[measure].value


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One way of grouping people; groups that are compared come first, the worst served of them before all."""

    number: int
    name: str
    groups: tuple[Group, ...]
    pairs: str
    n_left_out: int
    measures: Json
    indices: Mapping[str, Json]

    @property
    def compared(self) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if not group.why_not)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`raw` is the whole of it."""

    raw: Json
    overall: Group
    columns: tuple[Column, ...]
    score_edges: tuple[float, ...]

    @property
    def system(self) -> str:
        return str(self.raw["system"])

    @property
    def threshold(self) -> float:
        return float(self.raw["threshold"]["value"])


@contextmanager
def whole_report() -> Iterator[None]:
    """Raises InvalidRequestError for what a page does not find in a report, or finds to be something else."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, UndefinedError) as error:
        message = f"not a whole report: {error!r}; have the command that wrote it write it again"
        raise InvalidRequestError(message, field="report") from error


def read_report(raw: Json) -> Report:
    """Raises InvalidRequestError for a report of another form."""
    if raw.get("form") != FORM:
        message = f"a report of form {raw.get('form')!r}, this page is for form {FORM}: run `equivox evaluate` again"
        raise InvalidRequestError(message, field="report")
    return Report(
        raw=raw,
        overall=_group(EVERYBODY, raw["overall"], raw["curves"]["overall"], {}),
        columns=tuple(_column(number, name, raw) for number, name in enumerate(raw["by_group"])),
        score_edges=tuple(raw["curves"]["score_edges"]),
    )


def _column(number: int, name: str, raw: Json) -> Column:
    gaps, curves = raw["gaps"][name], raw["curves"]["by_group"][name]
    groups = [_group(group, summary, curves[group], gaps) for group, summary in raw["by_group"][name].items()]
    return Column(
        number=number,
        name=name,
        groups=tuple(sorted(groups, key=lambda group: (bool(group.why_not), -(group.value(WORST_BY) or 0)))),
        pairs=gaps["pairs"],
        n_left_out=gaps["n_trials_of_no_group"],
        measures=gaps["measures"],
        indices={index: gaps[index] for index in ("garbe", "fdr") if index in gaps},
    )


def _group(name: str, summary: Json, curve: Json | None, gaps: Json) -> Group:
    target, nontarget, everybody = (summary[f"n_{kind}"] for kind in ("target", "nontarget", "speakers"))
    return Group(
        name=name,
        summary=Summary(
            trials=Counts(target=target, nontarget=nontarget, both=target + nontarget),
            # Older reports took everybody for either kind.
            speakers=Counts(
                target=summary.get("n_target_speakers", everybody),
                nontarget=summary.get("n_nontarget_speakers", everybody),
                both=everybody,
            ),
            figures={measure: _figure(measure, summary[measure]) for measure in MEASURES},
        ),
        why_not=gaps.get("not_compared", {}).get(name, ""),
        members=gaps.get("pooled", {}).get(name, {}),
        curve=curve,
    )


def _figure(measure: str, written: Json) -> Figure:
    figure = read_figure(written)
    # Older reports have an interval of it, which lies above what was measured.
    return Figure(figure.value, None) if measure == NOT_DRAWN else figure
