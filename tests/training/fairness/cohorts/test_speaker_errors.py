"""Rates of cohorts with the domain's effect taken out, draws, and halves."""

import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fairness.cohorts.heard_people import WORDS, heard, lines, utterance, worse_quarter
from training.fairness.cohorts.speaker_errors import HeardUtterances, halves
from training.metrics.bootstrap import POISSON_TABLE
from training.metrics.transcription import WordErrors

COUNTS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20), st.integers(0, 2)), min_size=1, max_size=8)


@given(COUNTS)
def test_in_one_domain_a_rate_is_errors_over_words(people: list[tuple[int, int, int]]) -> None:
    errors = HeardUtterances(
        utterance(f"p{number}", 0, errors, words=words) for number, (errors, words, _) in enumerate(people)
    ).by_speaker()
    labels = np.array([cohort for _, _, cohort in people], np.int64)
    rates = errors.rates(labels, 3)
    for cohort in {*labels.tolist()} if any(errors for errors, _, _ in people) else ():
        of_cohort = [(wrong, words) for wrong, words, its in people if its == cohort]
        assert rates[cohort] == pytest.approx(sum(e for e, _ in of_cohort) / sum(w for _, w in of_cohort))


def test_a_hard_domain_makes_no_cohort_worse() -> None:
    hard, easy = heard(lambda _: 0.6, people=4, domain="hard"), heard(lambda _: 0.05, people=4, domain="easy")
    both = HeardUtterances(
        [utterance(f"hard{n}", n, 6, words=10, domain="hard") for n in range(3)]
        + [utterance(f"easy{n}", n, 1, words=20, domain="easy") for n in range(3)]
    ).by_speaker()
    rates = both.rates(np.array([0 if name.startswith("hard") else 1 for name in both.speakers]), 2)
    assert rates[0] == pytest.approx(rates[1]) == pytest.approx(float(both.overall))
    assert float(hard.by_speaker().overall) > float(easy.by_speaker().overall)


def test_the_digest_is_of_what_was_heard_in_whatever_order() -> None:
    people = lines(worse_quarter)
    of_all = HeardUtterances(people).digest
    assert HeardUtterances(reversed(people)).digest == of_all
    one_error_more = replace(people[0], errors=people[0].errors + WordErrors(insertions=1))
    assert HeardUtterances([one_error_more, *people[1:]]).digest != of_all
    assert HeardUtterances([replace(people[0], speaker="another"), *people[1:]]).digest != of_all


def test_draws_lie_around_the_value_and_vary_with_speakers_and_utterances() -> None:
    people = heard(worse_quarter)
    labels = np.arange(80) % 4
    value, draws = people.by_speaker().rates(labels, 4), people.drawn(400).errors.rates(labels, 4)
    np.testing.assert_allclose(draws.mean(axis=0), value, atol=0.01)
    one = HeardUtterances([utterance("p", number, number % 9, words=10) for number in range(40)])
    assert one.drawn(200).errors.overall.std() > 0.01
    assert set(one.drawn(20).times[:, 0]) == {1.0}


def test_draws_are_those_of_all_at_once_and_take_the_memory_of_one() -> None:
    people, replicas = heard(worse_quarter, people=8, utterances=500), 250
    random = np.random.default_rng(3)
    times = random.multinomial(8, np.full(8, 1 / 8), size=replicas)
    again = POISSON_TABLE[random.integers(0, len(POISSON_TABLE), (replicas, len(people)))]
    tracemalloc.start()
    try:
        drawn = people.drawn(replicas, seed=3)
        assert tracemalloc.get_traced_memory()[1] < again.nbytes / 4
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(drawn.times, times)
    words = WORDS * again.reshape(replicas, 8, 500).sum(axis=2, dtype=np.float64) * times
    np.testing.assert_array_equal(drawn.errors.words[:, :, 0], words)


def test_errors_dealt_anew_keep_their_total_in_each_domain() -> None:
    both = HeardUtterances(
        [utterance(f"a{n}", n, n, domain="a") for n in range(9)]
        + [utterance(f"b{n}", n, 2 * n, domain="b") for n in range(9)]
    ).by_speaker()
    dealt = both.shuffled(np.random.default_rng(0))
    np.testing.assert_array_equal(dealt.errors.sum(axis=0), both.errors.sum(axis=0))
    np.testing.assert_array_equal(dealt.words, both.words)
    assert (dealt.errors != both.errors).any()


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=30), st.integers(0, 9))
def test_halves_hold_as_many_of_each_stratum(strata: list[str], seed: int) -> None:
    half = halves(strata, np.random.default_rng(seed))
    inside = Counter(stratum for stratum, chosen in zip(strata, half, strict=True) if chosen)
    assert abs(2 * half.sum() - len(strata)) <= 1
    # A pair may straddle either end of a stratum.
    assert all(abs(2 * inside[stratum] - count) <= 2 for stratum, count in Counter(strata).items())
