"""Artifacts compared on the same talkers: errors are counted by domain, differences are paired."""

from dataclasses import replace

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from svc.units import Units
from tests.training.data.talkers import talkers
from tests.training.toy_adaptation import toy_artifact
from tests.training.toy_transcriber_run import toy_data
from training.compare_transcribers import WAYS, heard, rows_of, said_in
from training.fairness.cohorts.speaker_errors import SpeakerErrors
from training.metrics.bootstrap import FEW_UNITS


@pytest.mark.slow
def test_ten_ways_are_ten_times_the_words() -> None:
    said = talkers(2)[:2]
    once, often = (heard(toy_artifact(), said, toy_data(), in_ways=in_ways) for in_ways in (False, True))
    np.testing.assert_array_equal(often.words, len(WAYS) * once.words)


def test_an_artifact_of_other_units_is_refused() -> None:
    other = replace(toy_artifact(), units=Units(("other",)))
    with pytest.raises(InvalidRequestError, match="units"):
        heard(other, talkers(1), toy_data(), in_ways=False)


def of_talkers(*errors: float) -> SpeakerErrors:
    """Of ten words each, in one domain."""
    counts = np.array(errors)[:, None]
    names = tuple(f"t{number}" for number in range(len(errors)))
    return SpeakerErrors(speakers=names, domains=("digits",), errors=counts, words=np.full_like(counts, 10.0))


def test_a_difference_that_all_talkers_share_is_sure_however_they_differ() -> None:
    before, after = of_talkers(*(1, 9, 3, 5, 7) * 2), of_talkers(0.5, 8, 2, 4, 6, 0, 8, 2, 4, 6)
    first, second = rows_of(("before", "after"), (before, after))
    assert first[3:5] == ("before", "50")
    assert second[-1] == "**-9.5 [-10.0, -8.5]**"


def test_talkers_fewer_than_any_interval_needs_have_none() -> None:
    errors = range(FEW_UNITS)
    (row,) = rows_of(("only",), (of_talkers(*errors[1:]),))
    assert row[5] == "50.0"
    (row,) = rows_of(("only",), (of_talkers(*errors),))
    assert row[5].startswith("45.0 [")


def test_without_an_error_the_rate_is_not_zero_for_sure() -> None:
    _, second = rows_of(("only", "same"), (of_talkers(*[0] * 10), of_talkers(*[0] * 10)))
    assert second[5:] == ("0.0 [0.0, 30.8]", "+0.0")


def test_a_domain_in_which_nobody_speaks_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidRequestError, match="no dev talker speaks in songs, only"):
        said_in(talkers(2), ["songs"])
