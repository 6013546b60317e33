"""Intervals over recordings: exact where they can be, and wide enough to hold the truth."""

import numpy as np
import pytest

from training.metrics.bootstrap import Figure
from training.metrics.resampling import pooled_figure, rate_figure, ratio_figure


def test_value_is_the_sum_over_the_sum() -> None:
    assert ratio_figure([1, 5], [10, 20]).value == pytest.approx(6 / 30)


@pytest.mark.parametrize("recordings", [1, 5])
def test_recordings_all_alike_say_nothing_of_others(recordings: int) -> None:
    assert ratio_figure([2] * recordings, [10] * recordings) == Figure(0.2, None)
    assert ratio_figure([0] * recordings, [10] * recordings) == Figure(0.0, None)
    assert pooled_figure([[1.0, 3.0]] * recordings, np.mean) == Figure(2.0, None)


@pytest.mark.parametrize("recordings", [1, 5])
def test_without_a_single_error_the_rate_is_known_as_well_as_so_few_recordings_allow(recordings: int) -> None:
    nothing = rate_figure([0] * recordings, [10] * recordings)
    assert [nothing.value, *(nothing.ci95 or ())] == pytest.approx([0.0, 0.0, 1 - 0.025 ** (1 / recordings)])
    everything = rate_figure([10] * recordings, [10] * recordings)
    assert [everything.value, *(everything.ci95 or ())] == pytest.approx([1.0, 0.025 ** (1 / recordings), 1.0])
    assert rate_figure([1, 5], [10, 20]) == ratio_figure([1, 5], [10, 20])


def test_nothing_to_count_gives_no_figure() -> None:
    for figure in (ratio_figure([], []), ratio_figure([1, 0], [0, 0]), pooled_figure([[], []], np.median)):
        assert figure == Figure(None, None)


def test_interval_of_means_is_that_of_the_ratio() -> None:
    random = np.random.default_rng(0)
    samples = [random.normal(size=random.integers(1, 5)).tolist() for _ in range(12)]
    ratio = ratio_figure([sum(sample) for sample in samples], [len(sample) for sample in samples])
    mean = pooled_figure(samples, np.mean)
    assert mean.value == pytest.approx(ratio.value)
    assert mean.ci95 == pytest.approx(ratio.ci95)


def test_interval_holds_the_true_rate_nearly_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(1), 0
    for seed in range(200):
        rates = random.beta(2, 8, size=40)
        ci95 = ratio_figure(random.binomial(50, rates).tolist(), [50] * 40, replicas=300, seed=seed).ci95
        assert ci95 is not None
        held += ci95[0] <= 0.2 <= ci95[1]
    assert held >= 180
