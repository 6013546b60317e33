"""Figures of a fairness study's run, with their draws of people, and what a table tells of them: gaps, spreads, GARBE.

Letters: G groups of a grouping (of everybody: one), M measures, R draws; row 0 is exact, the others are the draws.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from svc.whole_file import replacing
from training.evaluate import Evaluation
from training.fairness.gaps import deviation, difference, garbe
from training.fairness.groups import COUNTRY, SEX
from training.metrics.bootstrap import Measured
from training.metrics.score_bins import AT_THRESHOLD, MEASURES
from training.metrics.verification import Array

EVERYBODY = "everybody"
ABOUT = ("groups", "compared", "n_speakers", "n_target", "n_nontarget")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GroupFigures:
    """`rows` (1 + R, G, M). `compared` (G): large enough to conclude from, and known."""

    groups: tuple[str, ...]
    compared: tuple[bool, ...]
    n_speakers: tuple[int, ...]
    n_target: tuple[int, ...]
    n_nontarget: tuple[int, ...]
    rows: Array

    def of(self, measure: str, *, group: str | None = None) -> Array:
        """(1 + R, G) of the compared groups, or (1 + R,) of one; NaN where it is not there."""
        column = self.rows[..., MEASURES.index(measure)]
        if group is None:
            return np.asarray(column[:, list(self.compared)])
        if group not in self.groups:
            return np.full(len(column), np.nan)
        return np.asarray(column[:, self.groups.index(group)])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ListFigures:
    """By grouping; EVERYBODY is one of a single group."""

    groupings: Mapping[str, GroupFigures]

    @classmethod
    def of(cls, evaluation: Evaluation) -> "ListFigures":
        whole = evaluation.overall
        everybody = GroupFigures(
            groups=(EVERYBODY,),
            compared=(True,),
            n_speakers=(whole.n_speakers,),
            n_target=(whole.n_target,),
            n_nontarget=(whole.n_nontarget,),
            rows=_rows(evaluation.measured),
        )
        groupings = {EVERYBODY: everybody}
        for name, result in evaluation.disaggregated.items():
            summaries = [result.by_group[group] for group in result.grouping.groups]
            groupings[name] = GroupFigures(
                groups=result.grouping.groups,
                compared=tuple(number in result.compared for number in range(len(summaries))),
                n_speakers=tuple(summary.n_speakers for summary in summaries),
                n_target=tuple(summary.n_target for summary in summaries),
                n_nontarget=tuple(summary.n_nontarget for summary in summaries),
                rows=_rows(result.measured),
            )
        return cls(groupings=groupings)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RunFigures:
    """By corpus."""

    steps: int
    lists: Mapping[str, ListFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table: a statistic of a list, within `ends`. A change of it is `relative`, or told in units of
    1 / `scale`.
    """

    title: str
    statistic: Callable[[ListFigures], Array]
    relative: bool = True
    scale: float = 100.0
    ends: tuple[float, float] = (0.0, 1.0)


def _of_group(measure: str, grouping: str, group: str) -> Callable[[ListFigures], Array]:
    return lambda figures: figures.groupings[grouping].of(measure, group=group)


def _between(measure: str, grouping: str, statistic: Callable[[Array], Array]) -> Callable[[ListFigures], Array]:
    """NaN with fewer than two groups to compare."""

    def of(figures: ListFigures) -> Array:
        rates = figures.groupings[grouping].of(measure)
        return statistic(rates) if rates.shape[1] > 1 else np.full(len(rates), np.nan)

    return of


def group_column(measure: str, grouping: str, group: str) -> Column:
    """A rate of one group, in percent."""
    return Column(title=group, statistic=_of_group(measure, grouping, group))


def _garbe(grouping: str) -> Callable[[ListFigures], Array]:
    def of(figures: ListFigures) -> Array:
        fmr, fnmr = (figures.groupings[grouping].of(name) for name in AT_THRESHOLD)
        return garbe(fmr, fnmr) if fmr.shape[1] > 1 else np.full(len(fmr), np.nan)

    return of


def _women_over_men(figures: ListFigures) -> Array:
    return FEMALE.statistic(figures) - MALE.statistic(figures)


def _worst(rates: Array) -> Array:
    return np.asarray(rates.max(axis=-1))


EER = Column(title="EER %", statistic=_of_group("eer", EVERYBODY, EVERYBODY))
MALE = Column(title="male", statistic=_of_group("eer", SEX, "male"))
FEMALE = Column(title="female", statistic=_of_group("eer", SEX, "female"))
GAP = Column(title="gap of the sexes", statistic=_between("eer", SEX, difference))
# With its sign, so that an interval can hold zero.
WOMEN_OVER_MEN = Column(title="female - male", statistic=_women_over_men, relative=False, ends=(-1.0, 1.0))
WORST = Column(title="worst region", statistic=_between("eer", COUNTRY, _worst))
STD = Column(title="std over regions", statistic=_between("eer", COUNTRY, deviation))
CLLR = Column(title="Cllr, bits", statistic=_of_group("cllr", EVERYBODY, EVERYBODY), scale=1.0, ends=(0.0, math.inf))
FMR = Column(title="FMR %", statistic=_of_group("fmr", EVERYBODY, EVERYBODY))
FNMR = Column(title="FNMR %", statistic=_of_group("fnmr", EVERYBODY, EVERYBODY))
FMR_BY_SEX = Column(title="FMR gap, sex", statistic=_between("fmr", SEX, difference), relative=False)
FNMR_BY_SEX = Column(title="FNMR gap, sex", statistic=_between("fnmr", SEX, difference), relative=False)
FMR_BY_REGION = Column(title="FMR gap, regions", statistic=_between("fmr", COUNTRY, difference), relative=False)
FNMR_BY_REGION = Column(title="FNMR gap, regions", statistic=_between("fnmr", COUNTRY, difference), relative=False)
GARBE_BY_SEX = Column(title="GARBE, sex", statistic=_garbe(SEX), relative=False, scale=1.0)
GARBE_BY_REGION = Column(title="GARBE, regions", statistic=_garbe(COUNTRY), relative=False, scale=1.0)


def write_figures(path: Path, figures: RunFigures) -> None:
    """Written beside and renamed."""
    arrays: dict[str, Any] = {}
    lists: dict[str, dict[str, Any]] = {}
    for corpus, of in figures.lists.items():
        lists[corpus] = {
            name: {field: getattr(group, field) for field in ABOUT} for name, group in of.groupings.items()
        }
        arrays |= {f"{corpus}/{name}": group.rows for name, group in of.groupings.items()}
    about = json.dumps({"steps": figures.steps, "lists": lists})
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, about=np.array(about), **arrays)


def read_figures(path: Path) -> RunFigures | None:
    """None when there are none yet."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    about = json.loads(str(arrays["about"]))
    lists = {
        corpus: ListFigures(
            groupings={name: _group_figures(of, arrays[f"{corpus}/{name}"]) for name, of in groupings.items()}
        )
        for corpus, groupings in about["lists"].items()
    }
    return RunFigures(steps=about["steps"], lists=lists)


def _group_figures(about: Mapping[str, list[Any]], rows: Array) -> GroupFigures:
    return GroupFigures(**{field: tuple(about[field]) for field in ABOUT}, rows=rows)


def _rows(measured: Measured) -> Array:
    return np.concatenate([measured.values[None], measured.draws])
