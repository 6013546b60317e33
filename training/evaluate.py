"""Scores a trial list with a system, each side embedded once, or takes scores another system gave, then measures
overall, by group and between groups, with intervals.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from svc.errors import InvalidRequestError
from svc.scoring.policy import Policy, policy_named
from training.data.segments import SegmentReader
from training.data.trial_list import TrialList, inputs_digest
from training.embeddings import VoiceCache, embed_sides
from training.fairness.countries import Minimum
from training.fairness.curves import curves_json
from training.fairness.disaggregated import Disaggregated, disaggregate
from training.fairness.groups import MAX_GROUPS, Grouping, Pairs, People, by_column, by_people
from training.metrics.bootstrap import Measured, Resampling, Summary, measure_groups
from training.metrics.score_bins import Reading
from training.metrics.scored_trials import ScoredTrials
from training.metrics.verification import Array, Mask, equal_error_threshold
from training.report_json import gaps_json, summary_json
from training.systems import System

DEFAULT_POLICY = "balanced"
# Of the form of report.json; see training/fairness/report_schema.json.
FORM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The score from which people are accepted, and whose choice it is.

    `inconclusive_band`: so far from it on either side the policy withholds its decision. Rates decide there as well;
    what would be withheld is counted beside.
    """

    value: float
    source: str
    chosen_on_these_trials: bool = False
    inconclusive_band: float = 0.0

    @classmethod
    def of(cls, policy: Policy) -> "Threshold":
        return cls(
            value=policy.threshold_llr,
            source=f"policy {policy.policy_id}",
            inconclusive_band=policy.inconclusive_band,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How intervals are made (replicas None = as many as the list allows), and the deployed threshold.

    No threshold = that of DEFAULT_POLICY for a calibrated system, else where these trials' FMR and FNMR meet.
    """

    seed: int = 0
    replicas: int | None = None
    levels: int = 2
    threshold: Threshold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """By what to group people, beside the columns of the list: "sex", or crossed, "sex+country"."""

    people: People
    by: tuple[str, ...]
    pairs: Pairs = Pairs.WITHIN
    minimum: Minimum = field(default_factory=Minimum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What was judged. Empty = not known, as of scores from elsewhere."""

    name: str
    calibrated: bool
    fingerprint: str = ""
    calibration_id: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """A list scored by one system.

    Trials with a side too short to embed are refused, as by the service: decisions (FMR, FNMR, actDCF, DET) count them
    as accepted at no threshold, and measures over scores (EER, minDCF, Cllr, minCllr, calibration) as LLR 0, no
    evidence either way.
    """

    system: Identity
    settings: Settings
    threshold: Threshold
    trials: TrialList
    scores: Array  # (T,)
    llrs: Array  # (T,); the scores where there are no LLRs
    refused: Mask  # (T,)
    unheard: tuple[str, ...]  # sides without enough speech
    overall: Summary
    measured: Measured  # of all trials, as one group
    disaggregated: Mapping[str, Disaggregated]  # column -> result
    passed_over: tuple[str, ...]  # columns with more than MAX_GROUPS values

    @property
    def by_group(self) -> dict[str, Mapping[str, Summary]]:
        """Column -> value -> summary."""
        return {name: result.by_group for name, result in self.disaggregated.items()}

    @property
    def withheld(self) -> Mask:
        """(T,) trials within the policy's band, which the service answers INCONCLUSIVE; not those that are refused."""
        return ~self.refused & (np.abs(self.llrs - self.threshold.value) < self.threshold.inconclusive_band)

    @property
    def unit(self) -> str:
        """What intervals draw."""
        return "speaker" if self.trials.has_speakers else "file"

    def as_json(self) -> dict[str, Any]:
        """The report; rates are fractions, Cllr in bits, null = cannot be measured on these trials."""
        results = self.disaggregated.items()
        return {
            "form": FORM,
            "system": self.system.name,
            "fingerprint": self.system.fingerprint,
            "calibration_id": self.system.calibration_id,
            "calibrated": self.system.calibrated,
            "threshold": asdict(self.threshold),
            "unit": self.unit,
            "levels": self.settings.levels,
            "replicas": len(self.measured.draws),
            "seed": self.settings.seed,
            "inputs_sha256": inputs_digest(self.trials, self.llrs, self.refused),
            "n_sides": len(self.trials.sides),
            "sides_without_speech": list(self.unheard),
            **_if_any(
                n_trials_refused=int(self.refused.sum()),
                n_trials_repeated=self.trials.n_repeated,
                n_trials_with_itself=self.trials.n_with_itself,
            ),
            "columns_passed_over": list(self.passed_over),
            **({"withheld": self._withheld_json()} if self.threshold.inconclusive_band else {}),
            "overall": summary_json(self.overall),
            "by_group": {
                column: {value: summary_json(summary) for value, summary in result.by_group.items()}
                for column, result in results
            },
            "gaps": {column: gaps_json(result) for column, result in results},
            "curves": curves_json(
                self.llrs,
                self.trials.target,
                self.disaggregated,
                calibrated=self.system.calibrated,
                refused=self.refused,
            ),
        }

    def _withheld_json(self) -> dict[str, Any]:
        """How many trials of either kind the band withholds, of everybody and by group."""
        groupings = ((name, result.grouping) for name, result in self.disaggregated.items())
        by_group = {
            name: {group: self._n_withheld(grouping.labels == number) for number, group in enumerate(grouping.groups)}
            for name, grouping in groupings
        }
        return {"overall": self._n_withheld(np.ones(len(self.trials), bool)), "by_group": by_group}

    def _n_withheld(self, mask: Mask) -> dict[str, int]:
        withheld, target = self.withheld & mask, self.trials.target
        return {"n_target": int((withheld & target).sum()), "n_nontarget": int((withheld & ~target).sum())}


def _if_any(**counts: int) -> dict[str, int]:
    """A count of 0 is left out."""
    return {name: count for name, count in counts.items() if count}


def evaluate(
    trials: TrialList,
    system: System,
    reader: SegmentReader,
    *,
    settings: Settings = Settings(),
    attributes: Attributes | None = None,
    cache: VoiceCache | None = None,
    on_side: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Raises InvalidRequestError when either kind of trial is missing or a file cannot be read."""
    check_both_kinds(trials)
    # What cannot be grouped is told before hours of listening.
    groupings = list(_groupings(trials, attributes))
    voices = embed_sides(trials, reader, system.embed, cache=cache, on_side=on_side)
    comparison = system.compare(voices, trials.enrolment, trials.test)
    refused = ~(voices.heard[trials.enrolment] & voices.heard[trials.test])
    identity = Identity(
        name=system.name,
        calibrated=system.calibrated,
        fingerprint=system.fingerprint,
        calibration_id=system.calibration_id,
    )
    llrs = np.where(refused, 0.0, comparison.llrs)
    judged = _judged(trials, llrs, refused, identity, groupings, settings)
    unheard = tuple(side for side, heard in zip(trials.sides, voices.heard, strict=True) if not heard)
    return replace(judged, scores=comparison.scores, unheard=unheard)


def judge(
    trials: TrialList,
    llrs: Array,
    system: Identity,
    *,
    settings: Settings = Settings(),
    attributes: Attributes | None = None,
    refused: Mask | None = None,
) -> Evaluation:
    """(T,) LLRs, or scores of any kind from a system that is not calibrated -> all that can be told of them.

    `refused` (T,), none by default: trials on which the system would not decide, and so accepted nobody.
    Raises InvalidRequestError when either kind of trial is missing, or people are grouped by what is not known of them,
    or into more than MAX_GROUPS.
    """
    check_both_kinds(trials)
    refused = np.zeros(len(trials), bool) if refused is None else refused
    return _judged(trials, llrs, refused, system, list(_groupings(trials, attributes)), settings)


def _judged(
    trials: TrialList, llrs: Array, refused: Mask, system: Identity, groupings: Sequence[Grouping], settings: Settings
) -> Evaluation:
    scored = _scored(trials, llrs, refused)
    threshold = settings.threshold or _threshold(scored, system)
    measured = measure_groups(
        scored,
        [np.zeros(len(trials), np.int64), *(grouping.labels for grouping in groupings)],
        Reading(threshold=threshold.value, calibrated=system.calibrated),
        Resampling(seed=settings.seed, replicas=settings.replicas, levels=settings.levels),
    )
    overall = measured[0].summary(0, target=scored.target, speakers=scored.speakers)
    pairs = zip(groupings, measured[1:], strict=True)
    return Evaluation(
        system=system,
        settings=settings,
        threshold=threshold,
        trials=trials,
        scores=llrs,
        llrs=llrs,
        refused=refused,
        unheard=(),
        overall=overall,
        measured=measured[0],
        disaggregated={grouping.name: disaggregate(scored, grouping, of, overall) for grouping, of in pairs},
        passed_over=tuple(name for name, values in trials.groups.items() if not _groups(values)),
    )


def _scored(trials: TrialList, llrs: Array, refused: Mask) -> ScoredTrials:
    units = trials.unit_of_side
    return ScoredTrials(
        llrs=llrs,
        target=trials.target,
        enrolment_unit=units[trials.enrolment],
        test_unit=units[trials.test],
        refused=refused,
    )


def check_both_kinds(trials: TrialList) -> None:
    """Raises InvalidRequestError for an empty list, one of targets or nontargets alone, and a pair that is of both."""
    if not len(trials):
        raise InvalidRequestError("the trial list is empty", field="trials")
    if trials.target.all() or not trials.target.any():
        present, missing = ("target", "nontarget") if trials.target.all() else ("nontarget", "target")
        message = f"all {len(trials)} trials are {present} trials: error rates need {missing} trials too"
        raise InvalidRequestError(message, field="trials")
    if (pair := trials.pair_of_both_kinds()) is not None:
        message = f"{' '.join(pair)} is on the list as a target and as a nontarget trial: leave out what is wrong"
        raise InvalidRequestError(message, field="target")


def _groupings(trials: TrialList, attributes: Attributes | None) -> Iterator[Grouping]:
    """Of the list's own columns, then of people; an attribute of people takes the place of a column of its name."""
    by = attributes.by if attributes else ()
    for name, values in trials.groups.items():
        if name not in by and _groups(values):
            yield by_column(name, values, trials)
    if attributes:
        for name in by:
            yield by_people(name, attributes.people, trials, pairs=attributes.pairs, minimum=attributes.minimum)


def _groups(values: "np.ndarray[Any, np.dtype[np.str_]]") -> bool:
    return len(np.unique(values)) <= MAX_GROUPS


def _threshold(scored: ScoredTrials, system: Identity) -> Threshold:
    if system.calibrated:
        return Threshold.of(policy_named(DEFAULT_POLICY))
    value = equal_error_threshold(scored.decided[scored.target], scored.decided[~scored.target])
    return Threshold(value=value, source="where FMR and FNMR meet", chosen_on_these_trials=True)
