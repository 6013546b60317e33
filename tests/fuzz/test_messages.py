"""A short round of the fuzzer on every run of the tests; the long one is `python -m tests.fuzz.messages`."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.messages import Harness, fuzz
from tests.fuzz.rounds import in_a_folder


@pytest.fixture(scope="module")
def under_test() -> Iterator[Harness]:
    with in_a_folder(Harness) as opened:
        yield opened


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_noise_never_gets_past_a_domain_error(under_test: Harness, data: bytes) -> None:
    under_test.run(data)


def test_mutated_requests_never_get_past_a_domain_error() -> None:
    outcomes = fuzz(num_runs=600, seed=1)
    # Else the mutations are so wild that nothing behind the parser is tried.
    assert outcomes["answered"] > 30
    assert len(outcomes) > 8
