"""What a mitigation study tells: rates by cohort against sums by hand, paired changes, who is too few to compare."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from training.fairness.cohorts.cohort import cohorts_of
from training.fairness.cohorts.speaker_errors import SpeakerErrors
from training.figure_text import bold_where_sure, verdict
from training.metrics.bootstrap import FEW_UNITS
from training.studies.mitigation_arms import ARMS, BEFORE
from training.studies.mitigation_tables import (
    ADAPTED,
    ALL,
    CLAIMS,
    GAP,
    OTHERS,
    VARIANCE,
    WORST,
    Judges,
    change,
    markdown,
    rate,
)

MEMBERS = {
    "good": [f"g{number}" for number in range(FEW_UNITS + 1)],
    "bad": [f"b{number}" for number in range(FEW_UNITS)],
    "tiny": ["t0"],
}
SPEAKERS = sorted(who for members in MEMBERS.values() for who in members)
COHORTS = cohorts_of("toy", {who: name for name in MEMBERS for who in MEMBERS[name]}, order=tuple(MEMBERS))


def counted(rates: Mapping[str, float]) -> SpeakerErrors:
    """By the first letter of a talker's name, of 100 words in one domain."""
    errors = np.array([[100 * rates[who[0]]] for who in SPEAKERS])
    return SpeakerErrors(speakers=tuple(SPEAKERS), domains=("phrases",), errors=errors, words=np.full_like(errors, 100))


BEFORE_ERRORS = counted({"g": 0.1, "b": 0.4, "t": 0.9})


def judges() -> Judges:
    return Judges.of(COHORTS, "bad", BEFORE_ERRORS)


def test_cohorts_of_few_held_out_talkers_are_not_compared() -> None:
    assert judges().names == ("good", "bad")
    one_less = cohorts_of("toy", {who: who[0] for who in SPEAKERS if who != "b0"}, order=("g", "b", "t"))
    assert Judges.of(one_less, "b", BEFORE_ERRORS).names == ("g",)


cells = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=len(SPEAKERS), max_size=len(SPEAKERS))


@settings(max_examples=20)
@given(cells)
def test_of_one_domain_rates_are_sums_over_sums(counts: list[tuple[int, int]]) -> None:
    words, wrong = (np.array(column, np.float64)[:, None] for column in zip(*counts, strict=True))
    assume(wrong.any())
    errors = SpeakerErrors(speakers=tuple(SPEAKERS), domains=("phrases",), errors=wrong, words=words)
    rates = Judges.of(COHORTS, "bad", errors).rates([errors])
    for number, name in enumerate(("good", "bad")):
        own = np.isin(SPEAKERS, MEMBERS[name])
        assert rates.cohorts[0, number] == pytest.approx(wrong[own].sum() / words[own].sum())
    others = ~np.isin(SPEAKERS, MEMBERS["bad"])
    assert rates.others[0] == pytest.approx(wrong[others].sum() / words[others].sum())


def test_statistics_are_those_of_the_cohorts() -> None:
    rates = judges().rates([BEFORE_ERRORS])
    figures = {column.title: column.statistic(rates, judges())[0] for column in (ALL, WORST, VARIANCE, GAP)}
    assert figures == pytest.approx(
        {"all words": (11 * 0.1 + 10 * 0.4 + 0.9) / 22, "worst cohort": 0.4, "variance": 0.0225, "gap": 3.0}
    )


def test_a_method_that_halves_every_error_changes_rates_by_half_for_sure() -> None:
    after = judges().rates([counted({"g": 0.05, "b": 0.2, "t": 0.45})] * 3)
    before = judges().rates([BEFORE_ERRORS])
    for column, expected in ((ALL, -0.5), (WORST, -0.5), (OTHERS, -0.5), (VARIANCE, -0.75), (GAP, 0.0)):
        found = change(column, before, after, judges())
        assert found.value == pytest.approx(expected)
        assert found.ci95 == pytest.approx((expected, expected))


def of_two_domains(hard_rate: float) -> SpeakerErrors:
    """Cohorts read phrases, of rates that never change; who is in none of those compared talks on the telephone."""
    by_domain = np.array([[0.0, hard_rate] if who == "t0" else [{"g": 0.1, "b": 0.4}[who[0]], 0.0] for who in SPEAKERS])
    words = np.array([[0.0, 500.0] if who == "t0" else [100.0, 0.0] for who in SPEAKERS])
    return SpeakerErrors(
        speakers=tuple(SPEAKERS), domains=("phrases", "telephone"), errors=by_domain * words, words=words
    )


def test_what_changes_in_a_domain_no_cohort_speaks_in_changes_no_cohort() -> None:
    was, is_now = of_two_domains(0.8), of_two_domains(0.4)
    of_two = Judges.of(COHORTS, "bad", was)
    before, after = of_two.rates([was]), of_two.rates([is_now] * 3)
    all_words = change(ALL, before, after, of_two).value
    assert all_words is not None
    assert all_words < -0.2
    assert before.cohorts[0] == pytest.approx([0.1, 0.4])
    for column in (WORST, VARIANCE, GAP):
        found = change(column, before, after, of_two)
        assert found.value == pytest.approx(0)
        assert found.ci95 == pytest.approx((0, 0))


def test_a_run_is_not_surer_of_itself_than_its_seeds_allow() -> None:
    seeds = [counted({"g": rate, "b": 0.4, "t": 0.9}) for rate in (0.05, 0.1, 0.2)]
    found = change(OTHERS, judges().rates([BEFORE_ERRORS]), judges().rates(seeds), judges())
    assert found.value is not None
    assert found.ci95 is not None
    assert found.ci95[0] < 0 < found.ci95[1]


def test_nothing_falls_by_more_than_all_there_was_however_far_apart_the_seeds() -> None:
    seeds = [counted({"g": 0.1, "b": share, "t": 0.9}) for share in (0.101, 0.4)]
    before, after = judges().rates([BEFORE_ERRORS]), judges().rates(seeds)
    for column in (WORST, VARIANCE, GAP):
        found, now = change(column, before, after, judges()), rate(column, after, judges())
        assert found.ci95 is not None
        assert -1 <= found.ci95[0] < 0 < found.ci95[1]
        assert now.ci95 is not None
        assert now.ci95[0] == 0


def test_a_gap_that_one_seed_has_no_end_of_is_no_sure_change() -> None:
    seeds = [counted({"g": rate, "b": 0.4, "t": 0.9}) for rate in (0.0, 0.1)]
    found = change(GAP, judges().rates([BEFORE_ERRORS]), judges().rates(seeds), judges())
    assert found.value == pytest.approx(4 / 3)
    assert found.ci95 is None
    assert bold_where_sure("x", found) == "x"
    assert verdict(found, -0.1) == "cannot be told: there is no interval"


def test_draws_keep_the_sizes_of_cohorts() -> None:
    draws = judges().draws()
    for number, size in enumerate((11, 10)):
        assert (draws[:, judges().labels == number].sum(1) == size).all()
    assert np.ptp(draws[1:]) > 0


def test_the_table_has_a_row_for_every_method_that_is_done_and_a_verdict_for_each_claim() -> None:
    told = markdown(
        COHORTS,
        "bad",
        {BEFORE: {0: BEFORE_ERRORS}, "ewc": {0: counted({"g": 0.1, "b": 0.3, "t": 0.9}), 1: BEFORE_ERRORS}},
    )
    assert ARMS["ewc"].title in told
    assert ARMS["plain"].title not in told
    assert "Too few of them to compare: tiny." in told
    assert told.count("2207.07850") == 1


def test_an_arm_that_is_told_the_cohort_is_an_upper_bound_and_gets_no_verdict() -> None:
    halved = replace(BEFORE_ERRORS, errors=BEFORE_ERRORS.errors / 2)
    text = markdown(COHORTS, "bad", {BEFORE: {0: BEFORE_ERRORS}, "vector": {0: halved}, "oversampling": {0: halved}})
    claims = [line for line in text.splitlines() if "2207.11345" in line]
    assert ["is not judged: the cohort is told" in line for line in claims] == [False, True]
    assert "cohort vector, told: an upper bound" in claims[1]


def test_an_arm_that_was_told_as_live_gets_its_verdict() -> None:
    halved = replace(BEFORE_ERRORS, errors=BEFORE_ERRORS.errors / 2)
    text = markdown(COHORTS, "bad", {BEFORE: {0: BEFORE_ERRORS}, "vector": {0: halved, 1: halved}}, by_voice=True)
    (claim,) = [line for line in text.splitlines() if "2207.11345" in line]
    assert "cohort vector, by voice" in claim
    assert "is not judged" not in text


def test_the_table_says_who_of_those_who_judge_drew_the_cohorts() -> None:
    errors = {BEFORE: {0: BEFORE_ERRORS}}
    told = markdown(replace(COHORTS, drawn_by=("b0", "g0", "elsewhere")), "bad", errors)
    assert "**Caution: 2 of 22 talkers judged drew these regions" in told
    assert "does not say whose errors drew them" in markdown(COHORTS, "bad", errors)
    assert "Caution" not in markdown(replace(COHORTS, drawn_by=()), "bad", errors)


def test_every_claim_is_the_paper_s_number_of_the_column_it_is_about() -> None:
    assert [(claim.text, claim.column, claim.claimed) for claim in CLAIMS] == [
        ("EWC: worst region -3.2 % (2207.07850)", ADAPTED, -0.032),
        ("EWC: overall -1.3 %", ALL, -0.013),
        ("EWC: variance over regions -7.9 %", VARIANCE, -0.079),
        ("oversampling or cohort vector: gap 56 % to about 40 % (2207.11345)", GAP, 40 / 56 - 1),
    ]


def test_without_the_artifact_s_own_errors_nothing_is_told() -> None:
    assert markdown(COHORTS, "bad", {"ewc": {0: BEFORE_ERRORS}}).startswith("no finished run")
