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
    before, after = of_talkers(1, 9, 3, 5, 7), of_talkers(0, 8, 2, 4, 6)
    first, second = rows_of(("before", "after"), (before, after))
    assert first[3:] == ("before", "25", "50.0 [26.0, 74.0]", "")
    assert second[-1] == "**-10.0 [-10.0, -10.0]**"


def test_few_talkers_have_no_interval() -> None:
    (row,) = rows_of(("only",), (of_talkers(1, 2),))
    assert row[5] == "15.0"


def test_a_domain_in_which_nobody_speaks_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidRequestError, match="no dev talker speaks in songs, only"):
        said_in(talkers(2), ["songs"])
