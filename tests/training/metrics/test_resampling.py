"""Intervals over recordings: exact where they can be, and wide enough to hold the truth."""

import numpy as np
import pytest

from training.metrics.bootstrap import Figure
from training.metrics.resampling import pooled_figure, ratio_figure


def test_value_is_the_sum_over_the_sum() -> None:
    assert ratio_figure([1, 5], [10, 20]).value == pytest.approx(6 / 30)


def test_recordings_all_alike_leave_no_doubt() -> None:
    assert ratio_figure([2] * 5, [10] * 5).ci95 == pytest.approx((0.2, 0.2))
    figure = pooled_figure([[1.0, 3.0]] * 5, np.mean)
    assert figure.value == 2.0
    assert figure.ci95 == pytest.approx((2.0, 2.0))


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
