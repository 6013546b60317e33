"""From LLR to decision: Bayes' threshold by brute force, quality before LLR, cautions beside decisions."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError, PolicyUnknownError
from svc.scoring.policy import NAMED_POLICIES, Policy, decide, policy_from_costs, policy_named
from svc.types import Band, Decision, Reason, Voiceprint
from tests.scoring.voices import GOOD_VOICE

costs = st.floats(1e-3, 1e3)
llrs = st.floats(-30, 30)


@given(st.floats(1e-6, 1 - 1e-6), costs, costs, llrs)
def test_decision_is_the_one_of_least_expected_cost(
    prior: float, false_accept: float, false_reject: float, llr: float
) -> None:
    # Expected costs up to one common factor, posterior odds being prior odds times the likelihood ratio.
    cost_of_accepting = false_accept * (1 - prior)
    cost_of_rejecting = false_reject * prior * math.exp(llr)
    decision, _ = decide(llr, policy_from_costs(prior, false_accept, false_reject), GOOD_VOICE, GOOD_VOICE)
    if not math.isclose(cost_of_accepting, cost_of_rejecting, rel_tol=1e-9):
        assert (decision is Decision.ACCEPT) == (cost_of_accepting < cost_of_rejecting)


@given(llrs, st.floats(-5, 5), st.floats(0, 5))
def test_band_withholds_the_decision_around_the_threshold_only(llr: float, threshold: float, band: float) -> None:
    policy = Policy(policy_id="p", threshold_llr=threshold, inconclusive_band=band)
    decision, reasons = decide(llr, policy, GOOD_VOICE, GOOD_VOICE)
    if abs(llr - threshold) < band:
        assert (decision, reasons) == (Decision.INCONCLUSIVE, (Reason.NEAR_THRESHOLD,))
    else:
        assert (decision, reasons) == (Decision.ACCEPT if llr >= threshold else Decision.REJECT, ())


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("poor", "reason"),
    [
        (replace(GOOD_VOICE, net_speech_s=0.9), Reason.TOO_LITTLE_SPEECH),
        (replace(GOOD_VOICE, snr_db=-3.0), Reason.LOW_SNR),
        (replace(GOOD_VOICE, clipped_share=0.3), Reason.CLIPPED),
        (replace(GOOD_VOICE, net_speech_s=math.nan), Reason.TOO_LITTLE_SPEECH),
        (replace(GOOD_VOICE, snr_db=math.nan), Reason.LOW_SNR),
    ],
)
@pytest.mark.parametrize("llr", [-math.inf, 20.0, math.inf])
def test_poor_speech_on_either_side_is_inconclusive_at_any_llr(
    side: int, poor: Voiceprint, reason: Reason, llr: float
) -> None:
    sides = [GOOD_VOICE, GOOD_VOICE]
    sides[side] = poor
    assert decide(llr, policy_named("balanced"), sides[0], sides[1]) == (Decision.INCONCLUSIVE, (reason,))


@pytest.mark.parametrize("llr", [-9.0, 9.0])
def test_band_mismatch_is_a_caution_beside_an_unchanged_decision(llr: float) -> None:
    policy, telephone = policy_named("balanced"), replace(GOOD_VOICE, band=Band.TELEPHONE)
    decision, _ = decide(llr, policy, GOOD_VOICE, GOOD_VOICE)
    assert decide(llr, policy, GOOD_VOICE, telephone) == (decision, (Reason.BAND_MISMATCH,))


def test_all_doubts_are_told_at_once() -> None:
    poor = replace(GOOD_VOICE, net_speech_s=0.1, snr_db=-9.0, clipped_share=0.9, band=Band.TELEPHONE)
    _, reasons = decide(0.0, policy_named("balanced"), GOOD_VOICE, poor)
    assert reasons == (
        Reason.TOO_LITTLE_SPEECH,
        Reason.LOW_SNR,
        Reason.CLIPPED,
        Reason.NEAR_THRESHOLD,
        Reason.BAND_MISMATCH,
    )


def test_llr_that_is_no_number_is_never_a_decision() -> None:
    assert decide(math.nan, policy_from_costs(0.5, 1, 1), GOOD_VOICE, GOOD_VOICE)[0] is Decision.INCONCLUSIVE


def test_named_policies_ask_for_more_evidence_from_lenient_to_strict() -> None:
    lenient, balanced, strict = (policy_named(name) for name in ("lenient", "balanced", "strict"))
    assert lenient.threshold_llr < balanced.threshold_llr == 0 < strict.threshold_llr
    assert lenient.min_net_speech_s < balanced.min_net_speech_s < strict.min_net_speech_s
    assert all(policy.policy_id == name for name, policy in NAMED_POLICIES.items())


def test_unknown_policy_is_named_beside_those_there_are() -> None:
    with pytest.raises(PolicyUnknownError, match=r"'paranoid'.*balanced, strict, lenient"):
        policy_named("paranoid")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((0.0, 1, 1, 0), "prior"),
        ((1.0, 1, 1, 0), "prior"),
        ((math.nan, 1, 1, 0), "prior"),
        ((0.5, 0, 1, 0), "cost_false_accept"),
        ((0.5, 1, math.inf, 0), "cost_false_reject"),
        ((0.5, 1, -1, 0), "cost_false_reject"),
        ((0.5, 1, 1, -0.1), "inconclusive_band"),
        ((0.5, 1, 1, math.nan), "inconclusive_band"),
    ],
)
def test_impossible_costs_are_refused_by_field(arguments: tuple[float, float, float, float], field: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        policy_from_costs(*arguments)
    assert error.value.field == field
