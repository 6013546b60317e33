"""A discovery among made-up people, of one system or of two."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.training.fairness.cohorts.heard_people import lines, names, places, voices, worse_quarter
from tests.training.report_page.toy_reports import HOSTILE
from training.discover_cohorts import ErrorsOf, discover
from training.fairness.cohorts.finders import EmbeddingFinder, Finder, LabelFinder
from training.fairness.cohorts.held_out import LuckConfig
from training.fairness.cohorts.region_tree import RegionTreeFinder
from training.fairness.cohorts.report import Discovery

# A quarter each, the first of which is misheard; the last eight people are a group too small.
GROUPS = ("Lagos", "Quito", HOSTILE, "Vaduz")
GROUP_OF = {name: GROUPS[number % 4] if number < 72 else "small" for number, name in enumerate(names(80))}
CONFIG = LuckConfig(deals=19, splits=2)


def finders() -> list[Finder]:
    return [
        EmbeddingFinder(voices=voices(), count=4),
        LabelFinder(kind="country", group_of=GROUP_OF),
        RegionTreeFinder(place_of=places(), max_leaves=3),
    ]


def milder(number: int) -> float:
    """The worse quarter is half as bad as it was, everybody else the same."""
    return 0.15 if number % 4 == 0 else 0.1


def found(*, repaired: bool = False, replicas: int = 100) -> Discovery:
    """Of the toy system, or of one that mends it with what was before."""
    before = ErrorsOf(system="toy", utterances=lines(worse_quarter))
    after = ErrorsOf(system="mended", utterances=lines(milder, seed=1))
    now, earlier = (after, before) if repaired else (before, None)
    return discover(now, finders(), dict(GROUP_OF), config=CONFIG, replicas=replicas, before=earlier)


def of_two_cohorts(wer_of: Callable[[int], float]) -> Discovery:
    """People of even number are called women, the others men; a chance that a word is misheard for each number."""
    group_of = {name: ("women", "men")[number % 2] for number, name in enumerate(names(80))}
    heard = ErrorsOf(system="toy", utterances=lines(wer_of))
    return discover(heard, [LabelFinder(kind="sex", group_of=group_of)], group_of, config=CONFIG, replicas=100)


def women_alone(number: int) -> float:
    """No word of a man is misheard."""
    return 0.0 if number % 2 else 0.2


def one_man_in_forty(number: int) -> float:
    """Of men all errors are those of one, whom a draw may leave out."""
    return 0.2 if number % 2 == 0 or number == 1 else 0.0


@cache
def _report_text(*, repaired: bool) -> str:
    return json.dumps(found(repaired=repaired).as_json())


def cohorts_report(*, repaired: bool = False) -> dict[str, Any]:
    """As read from report.json; yours to change."""
    content: dict[str, Any] = json.loads(_report_text(repaired=repaired))
    return content
