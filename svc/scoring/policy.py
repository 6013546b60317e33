"""From a calibrated LLR to a decision. A policy is a prior, two costs, and what it asks of the audio.

Bayes: accepting costs less than rejecting when LLR >= log(cost_false_accept (1 - prior) / (cost_false_reject prior)).
Quality comes first: speech too poor to judge is INCONCLUSIVE however large the LLR.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from svc.errors import InvalidRequestError, PolicyUnknownError
from svc.types import Decision, Reason, Voiceprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """LLRs in nats; `inconclusive_band` is half the width of the band around the threshold."""

    policy_id: str
    threshold_llr: float
    inconclusive_band: float = 0.0
    min_net_speech_s: float = 1.0
    min_snr_db: float = 0.0
    max_clipped_share: float = 0.1


def threshold_of(prior: float, cost_false_accept: float, cost_false_reject: float) -> float:
    """LLR, in nats, from which accepting is the cheaper error to risk. Raises InvalidRequestError naming the field."""
    # Written so that NaN fails too.
    if not 0 < prior < 1:
        raise InvalidRequestError(f"prior must be between 0 and 1, both excluded, got {prior}", field="prior")
    costs = {"cost_false_accept": cost_false_accept, "cost_false_reject": cost_false_reject}
    for name, cost in costs.items():
        if not 0 < cost < math.inf:
            raise InvalidRequestError(f"{name} must be finite and > 0, got {cost}", field=name)
    # As a sum of logarithms: the quotient of extreme costs would overflow.
    return math.log(cost_false_accept) - math.log(cost_false_reject) + math.log1p(-prior) - math.log(prior)


def policy_from_costs(
    prior: float, cost_false_accept: float, cost_false_reject: float, inconclusive_band: float = 0.0
) -> Policy:
    """The caller's own numbers. Raises InvalidRequestError naming the field at fault."""
    if not 0 <= inconclusive_band < math.inf:
        raise InvalidRequestError(
            f"inconclusive_band must be finite and >= 0 nats, got {inconclusive_band}", field="inconclusive_band"
        )
    threshold_llr = threshold_of(prior, cost_false_accept, cost_false_reject)
    return Policy(policy_id="costs", threshold_llr=threshold_llr, inconclusive_band=inconclusive_band)


NAMED_POLICIES: dict[str, Policy] = {
    # Assumes prior 0.5 (same and different people equally likely) and that both errors cost the same: threshold 0.
    # The band of log 2 withholds the decision where the odds are worse than 2 to 1.
    "balanced": Policy(policy_id="balanced", threshold_llr=threshold_of(0.5, 1, 1), inconclusive_band=math.log(2)),
    # Assumes prior 0.5 and that letting a stranger in costs a hundred times what asking again does: threshold 4.6.
    # Access to something of value; asks for more and cleaner speech.
    "strict": Policy(
        policy_id="strict",
        threshold_llr=threshold_of(0.5, 100, 1),
        inconclusive_band=math.log(2),
        min_net_speech_s=2.0,
        min_snr_db=5.0,
        max_clipped_share=0.02,
    ),
    # Assumes prior 0.5 and that missing the person costs ten times a false alarm: threshold -2.3.
    # A first sieve before someone listens; no band, and content with little speech.
    "lenient": Policy(
        policy_id="lenient", threshold_llr=threshold_of(0.5, 1, 10), min_net_speech_s=0.5, min_snr_db=-5.0
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Those a caller may name: ours, and those chosen on data. `default` holds where none is named."""

    default: str = "balanced"
    chosen: Mapping[str, Policy] = field(default_factory=dict)

    def named(self, name: str) -> Policy:
        """Empty = the default. Raises PolicyUnknownError listing the names there are."""
        return _known(name or self.default, {**NAMED_POLICIES, **self.chosen})

    def identified(self, policy_id: str) -> Policy:
        """By what an answer or a report calls it. Raises PolicyUnknownError listing the ids there are."""
        policies = (*NAMED_POLICIES.values(), *self.chosen.values())
        return _known(policy_id, {policy.policy_id: policy for policy in policies})


def _known(name: str, policies: Mapping[str, Policy]) -> Policy:
    if name not in policies:
        raise PolicyUnknownError(f"no policy {name!r}; there are {', '.join(policies)}", field="name")
    return policies[name]


def policy_named(name: str) -> Policy:
    """One of ours. Raises PolicyUnknownError listing the names there are."""
    return Policies().named(name)


def decide(llr: float, policy: Policy, enrolment: Voiceprint, test: Voiceprint) -> tuple[Decision, tuple[Reason, ...]]:
    """The decision and what is in doubt. BAND_MISMATCH is a caution beside any decision, never the reason for one."""
    doubts = tuple(_doubts(llr, policy, enrolment, test))
    cautions = (Reason.BAND_MISMATCH,) if enrolment.band is not test.band else ()
    if doubts:
        return Decision.INCONCLUSIVE, doubts + cautions
    return (Decision.ACCEPT if llr >= policy.threshold_llr else Decision.REJECT), cautions


def _doubts(llr: float, policy: Policy, enrolment: Voiceprint, test: Voiceprint) -> Iterator[Reason]:
    sides = (enrolment, test)
    # "Not all good" and not "any bad", so that a measurement that is NaN counts as poor.
    if not all(side.net_speech_s >= policy.min_net_speech_s for side in sides):
        yield Reason.TOO_LITTLE_SPEECH
    if not all(side.snr_db >= policy.min_snr_db for side in sides):
        yield Reason.LOW_SNR
    if not all(side.clipped_share <= policy.max_clipped_share for side in sides):
        yield Reason.CLIPPED
    if math.isnan(llr) or abs(llr - policy.threshold_llr) < policy.inconclusive_band:
        yield Reason.NEAR_THRESHOLD
