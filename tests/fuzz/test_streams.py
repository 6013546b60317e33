"""A short round of the stream fuzzer on every run of the tests; the long one is `python -m tests.fuzz.streams`."""

from tests.fuzz.streams import fuzz


def test_spoilt_streams_never_get_past_a_domain_error() -> None:
    outcomes = fuzz(num_runs=150, seed=1)
    # Else the edits are so wild that nothing behind the first check is tried.
    assert outcomes["answered"] > 20
    assert len(outcomes) > 5
