"""Reports of synthetic people: two colours of which green is harmed, and cities of which some are small or hostile."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.training.fairness.scored_people import halves, llrs_of, trials_of
from training.evaluate import Attributes, Evaluation, Identity, Settings, judge
from training.fairness.changes import changes_json
from training.fairness.groups import People

NUM_PEOPLE = 36
TRIALS = trials_of(NUM_PEOPLE)
COLOURS: Mapping[str, str] = halves(NUM_PEOPLE).columns["colour"]
GREEN = frozenset(person for person, colour in COLOURS.items() if colour == "green")
HOSTILE = "<script>document.title='owned'</script>"


def cities(hostile: str = HOSTILE) -> dict[str, str]:
    """Twelve people each of two cities, ten of a hostile name, two of a small one."""
    names = ["Lagos"] * 12 + ["Quito"] * 12 + [hostile] * 10 + ["Vaduz"] * 2
    return {str(person): name for person, name in enumerate(names)}


def judged(*, harm: float = 1.5, hostile: str = HOSTILE, calibrated: bool = True) -> Evaluation:
    return judge(
        TRIALS,
        llrs_of(TRIALS, seed=1, harm=harm, harmed=GREEN),
        Identity(name="toy", calibrated=calibrated, fingerprint="f" * 16, calibration_id="cal-1"),
        settings=Settings(replicas=60),
        attributes=Attributes(
            people=People(columns={"colour": COLOURS, "city": cities(hostile)}), by=("colour", "city")
        ),
    )


@cache
def report_text(*, harm: float = 1.5, calibrated: bool = True) -> str:
    return json.dumps(judged(harm=harm, calibrated=calibrated).as_json())


def report(*, harm: float = 1.5, calibrated: bool = True) -> dict[str, Any]:
    """As read from report.json; yours to change."""
    content: dict[str, Any] = json.loads(report_text(harm=harm, calibrated=calibrated))
    return content


@cache
def compared_text() -> str:
    before, after = judged(), judged(harm=0.2)
    return json.dumps(after.as_json() | {"changes": changes_json(before, after)})


def compared_report() -> dict[str, Any]:
    """Of a system that harms less than the one before it."""
    content: dict[str, Any] = json.loads(compared_text())
    return content


def report_with_city(name: str) -> dict[str, Any]:
    """The same with another name in place of the hostile one, wherever it stands."""
    content: dict[str, Any] = json.loads(report_text().replace(json.dumps(HOSTILE), json.dumps(name)))
    return content
