"""The written form of the report: what evaluate writes keeps to the schema, and the schema notices what does not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

import training.fairness
from tests.training.fairness.scored_people import halves, llrs_of, trials_of
from training.evaluate import FORM, Attributes, Evaluation, Identity, Settings, judge
from training.fairness.changes import changes_json
from training.fairness.groups import People

SCHEMA = json.loads((Path(training.fairness.__file__).parent / "report_schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
TRIALS = trials_of(24, clips=3)
COLOURS = {**halves(24).columns["colour"], "0": "red", "1": ""}
COUNTRY = {str(person): ("Jamaica", "Barbados", "France", "Kenya")[person % 4] for person in range(24)}
ATTRIBUTES = Attributes(people=People(columns={"colour": COLOURS, "country": COUNTRY}), by=("colour",))


def judged(*, by: tuple[str, ...] = (), calibrated: bool = True, replicas: int = 20, seed: int = 1) -> Evaluation:
    return judge(
        TRIALS,
        llrs_of(TRIALS, seed=seed),
        Identity(name="toy", calibrated=calibrated),
        settings=Settings(replicas=replicas),
        attributes=replace(ATTRIBUTES, by=by) if by else None,
    )


def written(report: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON holds
    return json.loads(json.dumps(report, allow_nan=False))


@pytest.mark.parametrize("by", [(), ("colour",), ("country", "colour+country")])
@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("replicas", [0, 20])
def test_every_report_keeps_to_the_schema(by: tuple[str, ...], calibrated: bool, replicas: int) -> None:
    VALIDATOR.validate(written(judged(by=by, calibrated=calibrated, replicas=replicas).as_json()))


def test_a_report_of_two_systems_keeps_to_the_schema() -> None:
    before, after = judged(by=("colour",)), judged(by=("colour",), seed=2)
    VALIDATOR.validate(written({**after.as_json(), "changes": changes_json(before, after)}))


def test_a_report_of_refused_trials_keeps_to_the_schema() -> None:
    refused = np.arange(len(TRIALS)) % 7 == 0
    report = judge(TRIALS, llrs_of(TRIALS, seed=1), Identity(name="toy", calibrated=True), refused=refused).as_json()
    assert report["n_trials_refused"] == refused.sum()
    VALIDATOR.validate(written(report))


def test_an_llr_without_bound_leaves_no_gap_of_what_it_costs_and_all_others() -> None:
    plain = judged(by=("colour",))
    llrs = plain.llrs.copy()
    llrs[np.flatnonzero(TRIALS.target)[-1]] = -np.inf
    report = judge(TRIALS, llrs, plain.system, settings=Settings(replicas=20), attributes=ATTRIBUTES).as_json()
    measures = {column: {*gaps["measures"]} for column, gaps in report["gaps"].items()}
    assert measures["colour"] == {*plain.as_json()["gaps"]["colour"]["measures"]} - {"cllr"}
    green, blue = (report["by_group"]["colour"][name]["cllr"] for name in ("green", "blue"))
    assert (green["value"], None not in blue["ci95"]) == (None, True)
    VALIDATOR.validate(written(report))


def test_nothing_is_told_of_gaps_of_the_calibration_error() -> None:
    report = judged(by=("colour",)).as_json()
    assert "cllr" in report["gaps"]["colour"]["measures"]
    assert "calibration_error" not in report["gaps"]["colour"]["measures"]


def test_the_schema_is_one_and_of_the_form_that_is_written() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["form"]["const"] == FORM


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("overall", "eer", "value"), 4.2),
        (("overall", "eer", "ci95"), [0.1]),
        (("overall", "n_target"), "72"),
        (("by_group", "colour", "blue", "surprise"), 1),
        (("gaps", "colour", "pairs"), "some"),
        (("threshold", "source"), None),
        (("form",), FORM + 1),
    ],
)
def test_what_is_not_in_the_schema_is_refused(place: tuple[str, ...], value: object) -> None:
    report = written(judged(by=("colour",)).as_json())
    inner = report
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(report)
