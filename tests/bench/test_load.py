"""The load test fails where it says so."""

from collections import Counter

import pytest

from tests.bench.load import Tally

MINUTE_S = 60.0


@pytest.mark.parametrize(("growth", "num_errors", "code"), [(0.019, 0, 0), (0.021, 0, 1), (-0.5, 0, 0), (0.0, 1, 1)])
def test_an_error_and_memory_that_grows_fail_the_load_test(growth: float, num_errors: int, code: int) -> None:
    # The warm-up may take what it likes.
    sizes = [10**3, 10**9, 2 * 10**9, round(10**9 * (1 + growth))]
    rss = [((minute + 0.5) * MINUTE_S, size) for minute, size in enumerate(sizes)]
    tally = Tally(errors=Counter({"INTERNAL BUG": num_errors} if num_errors else {}), rss=rss)
    assert tally.growth(4 * MINUTE_S) == pytest.approx(growth)
    assert tally.exit_code(4 * MINUTE_S) == code
