"""`python -m training.calibrate --policy REQUEST`: one threshold for all groups, the cheapest within stated limits, as
a policy the service can be told to use.

REQUEST is TOML:

    name = "door"
    prior = 0.5                  # of the two voices being one person, as in the service's own policies
    cost_false_accept = 10.0
    cost_false_reject = 1.0

    [limits]                     # of FMR and FNMR: max_*, max_worst_* (group), max_*_ratio, max_*_difference
    max_fnmr_ratio = 1.25
    max_worst_fmr = 0.01
"""

import re
import shlex
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from svc.errors import InvalidRequestError
from svc.scoring.policy import NAMED_POLICIES, Policy
from svc.scoring.policy_file import policy_text
from training.audit import Groups, Material, audit
from training.data.trial_list import inputs_digest
from training.evaluate import Evaluation, Settings, Threshold, judge
from training.fairness.limits import (
    FNMR,
    OVERALL,
    Choice,
    Costs,
    Limits,
    Point,
    Trials,
    choose_threshold,
    limits_on,
    measure_of,
    spread,
)
from training.metrics.bootstrap import Figure, figure_of
from training.metrics.score_bins import AT_THRESHOLD, MEASURES
from training.metrics.verification import Array, decision_scores

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. Beside the threshold a policy says what it asks of the audio: see svc.scoring.policy.

    A band in which decisions are withheld is refused, for limits would not be what is served.
    """

    name: str
    prior: float = 0.5
    cost_false_accept: float = 1.0
    cost_false_reject: float = 1.0
    inconclusive_band: float = 0.0
    min_net_speech_s: float = 1.0
    min_snr_db: float = 0.0
    max_clipped_share: float = 0.1
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in NAMED_POLICIES:
            taken = ", ".join(NAMED_POLICIES)
            message = f"name {self.name!r} must be of a-z, 0-9 and -, and none of {taken}"
            raise InvalidRequestError(message, field="name")
        if self.inconclusive_band != 0:
            message = (
                f"inconclusive_band is {self.inconclusive_band}, but limits are on a threshold that decides always: "
                "leave it out, for people whose decision is withheld would count as let in or sent away"
            )
            raise InvalidRequestError(message, field="inconclusive_band")

    @property
    def costs(self) -> Costs:
        return Costs(
            prior=self.prior, cost_false_accept=self.cost_false_accept, cost_false_reject=self.cost_false_reject
        )

    def policy(self, threshold_llr: float) -> Policy:
        return Policy(
            policy_id=self.name,
            threshold_llr=threshold_llr,
            inconclusive_band=self.inconclusive_band,
            min_net_speech_s=self.min_net_speech_s,
            min_snr_db=self.min_snr_db,
            max_clipped_share=self.max_clipped_share,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Chosen:
    """The choice, and what the trials say at its threshold and at the cheapest without limits, on the same draws."""

    request: Request
    choice: Choice
    groupings: tuple[str, ...]
    best: Evaluation
    cheapest: Evaluation

    def cost(self) -> Figure:
        return figure_of(self.choice.best.cost, _cost_draws(self.best, self.request.costs))

    def price(self) -> Figure:
        """What the limits cost: the chosen threshold's cost minus the cheapest's."""
        costs = self.request.costs
        draws = _cost_draws(self.best, costs) - _cost_draws(self.cheapest, costs)
        return figure_of(self.choice.best.cost - self.choice.cheapest.cost, draws)

    def kept(self) -> float | None:
        """In which share of draws of people all limits hold at the chosen threshold."""
        kept = np.ones(len(self.best.measured.draws), bool)
        for grouping in (OVERALL, *self.groupings):
            for limit, most in limits_on(grouping, self.request.limits).items():
                draws = _draws(self.best, grouping, measure_of(limit))
                kept &= spread(limit, draws.max(axis=1), draws.min(axis=1)) <= most
        return float(kept.mean()) if len(kept) else None


def choose_policy(request: Request, material: Material, groups: Groups, settings: Settings) -> Chosen:
    """Raises InvalidRequestError naming what is missing."""
    audited = audit(material, groups, settings=replace(settings, replicas=0))
    known = audited.evaluation
    # Limits are on what was asked for; on the list's own columns where nothing was.
    names = tuple(name for name in known.disaggregated if name in groups.by) or tuple(known.disaggregated)
    masks = {name: _compared(known, name) for name in names}
    scores = decision_scores(known.llrs, known.refused)
    choice = choose_threshold(
        Trials(scores=scores, target=known.trials.target, groupings=masks), request.limits, request.costs
    )
    best, cheapest = (
        judge(
            known.trials,
            known.llrs,
            known.system,
            settings=replace(settings, threshold=_threshold(request, point)),
            attributes=audited.attributes,
            refused=known.refused,
        )
        for point in (choice.best, choice.cheapest)
    )
    return Chosen(request=request, choice=choice, groupings=names, best=best, cheapest=cheapest)


def bounded_figure(evaluation: Evaluation, grouping: str, limit: str) -> Figure:
    """What a limit bounds, with its interval."""
    name = AT_THRESHOLD[measure_of(limit)]
    if grouping == OVERALL:
        return evaluation.overall.figures[name]
    result = evaluation.disaggregated[grouping]
    gap = result.gaps[name]
    if limit.endswith("ratio"):
        return gap.ratio
    if limit.endswith("difference"):
        return gap.widest.difference
    return result.by_group[result.name_of(gap.widest.worse)].figures[name]


def title(grouping: str, limit: str) -> str:
    """Of what a limit bounds, for people."""
    name = limit.removeprefix("max_").replace("fnmr", "FNMR").replace("fmr", "FMR").replace("_", " ")
    return f"{name} by {grouping}" if grouping else name


def policy_file_text(chosen: Chosen, *, calibration_id: str) -> str:
    """Raises InvalidRequestError when the scores are none the service could decide on."""
    if not chosen.best.system.calibrated or not calibration_id:
        message = (
            "a policy is for LLRs of a calibration that is named: give --calibration-id, and scores with a column llr"
        )
        raise InvalidRequestError(message, field="calibration_id")
    evaluation, point = chosen.best, chosen.choice.best
    figures = {"cost": point.cost, "cheapest_cost": chosen.choice.cheapest.cost, "fmr": point.fmr, "fnmr": point.fnmr}
    about = {
        "command": shlex.join(["python", "-m", "training.calibrate", *sys.argv[1:]]),
        "inputs_sha256": inputs_digest(evaluation.trials, evaluation.llrs, evaluation.refused),
        **asdict(chosen.request.costs),
        "limits": chosen.request.limits.given(),
        "groups": {name: _compared_names(evaluation, name) for name in chosen.groupings},
        "figures": figures | {title(*key): value for key, value in point.values.items()},
    }
    policy = chosen.request.policy(point.threshold)
    return policy_text(chosen.request.name, policy, calibration_id=calibration_id, about=about)


def _threshold(request: Request, point: Point) -> Threshold:
    return Threshold(value=point.threshold, source=f"policy {request.name}", chosen_on_these_trials=True)


def _compared(evaluation: Evaluation, name: str) -> list[Any]:
    result = evaluation.disaggregated[name]
    return [result.grouping.labels == number for number in result.compared]


def _compared_names(evaluation: Evaluation, name: str) -> list[str]:
    result = evaluation.disaggregated[name]
    return [result.grouping.groups[number] for number in result.compared]


def _draws(evaluation: Evaluation, grouping: str, measure: int) -> Array:
    """(R, G) of FMR or FNMR."""
    name = AT_THRESHOLD[measure]
    if grouping == OVERALL:
        return evaluation.measured.draws[:, :, MEASURES.index(name)]
    return evaluation.disaggregated[grouping].column(name)[1]


def _cost_draws(evaluation: Evaluation, costs: Costs) -> Array:
    return costs.of(*(_draws(evaluation, OVERALL, measure)[:, 0] for measure in (0, FNMR)))
