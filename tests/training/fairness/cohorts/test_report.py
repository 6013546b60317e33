"""The report on cohorts keeps to its schema, and what changes between two systems is paired."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import training.fairness.cohorts
from svc.errors import InvalidRequestError
from tests.training.fairness.cohorts.heard_people import names, utterance
from tests.training.fairness.cohorts.toy_discovery import found, of_two_cohorts, one_man_in_forty, women_alone
from training.fairness.cohorts.changes import check_paired
from training.fairness.cohorts.report import Discovery, comparison_json
from training.fairness.cohorts.speaker_errors import HeardUtterances
from training.metrics.transcription import WordErrors

SCHEMA = json.loads((Path(training.fairness.cohorts.__file__).parent / "report_schema.json").read_text())


@pytest.fixture(scope="module", params=[False, True], ids=["one system", "two systems"])
def discovery(request: pytest.FixtureRequest) -> Discovery:
    return found(repaired=request.param)


def written(discovery: Discovery) -> Any:  # noqa: ANN401 - whatever JSON holds
    return json.loads(json.dumps(discovery.as_json(), allow_nan=False))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_what_is_written_keeps_to_the_schema(discovery: Discovery) -> None:
    Draft202012Validator(SCHEMA).validate(written(discovery))


@pytest.mark.parametrize("name", SCHEMA["required"])
def test_the_schema_misses_what_is_left_out(discovery: Discovery, name: str) -> None:
    content = written(discovery)
    del content[name]
    assert not Draft202012Validator(SCHEMA).is_valid(content)


def test_every_person_is_counted_once_in_every_ranking(discovery: Discovery) -> None:
    content = written(discovery)
    for ranking in content["rankings"]:
        placed = sum(cohort["n_speakers"] for cohort in ranking["cohorts"])
        assert placed + ranking["n_unplaced"] == content["n_speakers"] == 80


def test_a_kind_compared_with_itself_is_no_better(discovery: Discovery) -> None:
    ranking = discovery.rankings[0]
    itself = comparison_json(ranking, ranking)
    assert itself["gap"] == {"value": 0.0, "ci95": [0.0, 0.0]}
    assert itself["larger_gap_share"] == 0.5


def test_one_of_two_gaps_is_larger_even_where_neither_has_a_bound(discovery: Discovery) -> None:
    one, other = discovery.rankings[:2]
    forth, back = comparison_json(one, other)["larger_gap_share"], comparison_json(other, one)["larger_gap_share"]
    assert forth + back == pytest.approx(1)
    assert one.spread
    value, draws = one.spread.gap
    endless = replace(one, spread=replace(one.spread, gap=(value, draws + np.inf)))
    assert comparison_json(endless, other)["larger_gap_share"] == 1
    assert comparison_json(endless, endless)["larger_gap_share"] == 0.5


@pytest.mark.parametrize("wer_of", [women_alone, one_man_in_forty])
def test_a_gap_without_bound_keeps_to_the_schema(wer_of: Callable[[int], float]) -> None:
    Draft202012Validator(SCHEMA).validate(written(of_two_cohorts(wer_of)))


def test_a_mended_cohort_changes_and_the_others_do_not() -> None:
    mended = found(repaired=True)
    assert mended.changes
    changes = mended.changes["country"]
    assert changes
    assert changes.worst == "Lagos"
    assert changes.of_worst.value == pytest.approx(-0.5, abs=0.15)
    ends = {name: figure.ci95 for name, figure in changes.by_cohort.items()}
    assert ends["Lagos"] is not None
    assert ends["Lagos"][1] < 0
    assert ends["Quito"] is not None
    assert ends["Quito"][0] < 0 < ends["Quito"][1]
    assert changes.of_variance.value is not None
    assert changes.of_variance.value < -0.5
    for (before, after), change in ((changes.mean, changes.of_mean), (changes.variance, changes.of_variance)):
        assert before.value
        assert after.value
        assert after.value / before.value - 1 == pytest.approx(change.value)


@pytest.mark.parametrize(
    ("told", "other"),
    [
        (r"of p001-d-2 --before has nothing, --errors has 12 words of p001 in d; make both", {}),
        (r"--before has 24 words of p001 in d, --errors has 12 words of p001 in d", {"errors": WordErrors(words=24)}),
        (r"--before has 12 words of p000 in d, --errors has 12 words of p001 in d", {"speaker": "p000"}),
        (r"--before has 12 words of p001 in e, --errors has 12 words of p001 in d", {"domain": "e"}),
    ],
)
def test_systems_that_did_not_hear_the_same_are_not_compared(told: str, other: dict[str, Any]) -> None:
    *same, last = (utterance(name, number, 3) for name in names(2) for number in range(3))
    before = HeardUtterances([*same, replace(last, **other)] if other else same)
    with pytest.raises(InvalidRequestError, match=f"1 utterances differ.* {told}") as error:
        check_paired(before, HeardUtterances([*same, last]))
    assert error.value.field == "before"
