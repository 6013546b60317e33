"""An audit as asked for on a command line: which trials, heard or scored elsewhere, which groups, which threshold, and
which other system beside.

    report.json     training.evaluate.Evaluation.as_json, and `changes` where there was another system
    report.html     the same as one page (training.report_page)
    before.json     the same of that other system
    scores.csv      each trial with what was said of it; can be audited again without audio
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from svc.application import Application
from svc.config import load_settings
from svc.errors import InvalidRequestError
from svc.scoring.policy import Policies
from svc.scoring.policy_file import load_policies, policies_of
from training import systems
from training.data import voxceleb
from training.data.score_list import ScoreList, read_scores, read_scores_of, with_speakers
from training.data.segments import SegmentReader
from training.data.trial_list import TrialList, read_trials
from training.embeddings import VoiceCache
from training.evaluate import (
    Attributes,
    Evaluation,
    Identity,
    Settings,
    Threshold,
    check_both_kinds,
    evaluate,
    judge,
)
from training.evaluation_files import write_report
from training.fairness.changes import changes_json
from training.fairness.countries import Minimum
from training.fairness.groups import COUNTRY, CROSSED_BY, SEX, Pairs, People, read_people
from training.report_json import write_json, write_text
from training.report_page.page import render_page
from training.tables import progress_over

VOXCELEB_BY = (SEX, COUNTRY, f"{SEX}{CROSSED_BY}{COUNTRY}")
AS_GIVEN = "as given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is judged: a list with audio, a list with scores, scores that tell their own trials, or VoxCeleb1."""

    trials: Path | None = None
    audio_root: Path | None = None
    scores: Path | None = None
    voxceleb: Path | None = None
    list_name: str = "O"
    config: Path | None = None
    # Where voiceprints are kept for the next audit; None = nowhere.
    voices: Path | None = None

    def __post_init__(self) -> None:
        if self.trials and self.voxceleb:
            raise InvalidRequestError("--trials and --voxceleb are both lists of trials: give one", field="trials")
        if not (self.trials or self.voxceleb or self.scores):
            message = "give --trials LIST with --audio-root FOLDER, --scores FILE, or --voxceleb FOLDER"
            raise InvalidRequestError(message, field="trials")
        if self.trials and not (self.scores or self.audio_root):
            message = "--trials needs --audio-root FOLDER to listen to, or --scores FILE of a system that has listened"
            raise InvalidRequestError(message, field="audio_root")
        if self.voices and self.scores:
            raise InvalidRequestError("--voices keeps what is heard, and with --scores nothing is", field="voices")

    def listed(self) -> TrialList | None:
        """The list of trials; None = the scores tell."""
        if self.voxceleb:
            return voxceleb.read_list(self.voxceleb, self.list_name)
        return read_trials(self.trials) if self.trials else None

    def scored(self, trials: TrialList | None) -> ScoreList | None:
        """The scores there are, of these trials."""
        if self.scores is None:
            return None
        return read_scores_of(trials, self.scores) if trials else read_scores(self.scores)

    def policies(self) -> Policies:
        """What --policy may name."""
        config = load_settings(self.config).verification
        return policies_of(load_policies(config.policies), default=config.policy)

    def cache(self, system: systems.System) -> VoiceCache | None:
        """Of this very system: voices of other weights or code are never taken for its own."""
        if self.voices is None:
            return None
        return VoiceCache(self.voices / f"{system.name}-{system.version}.npz")

    @property
    def audio(self) -> Path:
        """Where the recordings of the list lie."""
        return self.audio_root or (self.voxceleb or Path()) / "wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """By what people are grouped: `by` is columns of the table of people, "sex+country" crosses two."""

    people: Path | None = None
    by: tuple[str, ...] = ()
    pairs: Pairs = Pairs.WITHIN
    minimum: Minimum = field(default_factory=Minimum)

    def known(self, material: Material) -> People | None:
        """The table of people given, else VoxCeleb's own."""
        if self.people:
            return read_people(self.people)
        return voxceleb.read_meta(material.voxceleb) if material.voxceleb else None

    def attributes(self, people: People | None, trials: TrialList) -> Attributes | None:
        """Raises InvalidRequestError where people are grouped by what nobody tells."""
        if people is None:
            if missing := [name for name in self.by if name not in trials.groups]:
                message = f"the trials have no column {missing[0]!r}: tell it of people with --people FILE"
                raise InvalidRequestError(message, field="by")
            return None
        by = self.by or (() if self.people else VOXCELEB_BY)
        if not by:
            there = ", ".join(people.columns)
            raise InvalidRequestError(
                f"say by what to group people, as in --by sex; {self.people} has {there}", field="by"
            )
        for name in by:
            _check_grouping(name, people)
        _check_known(people, trials)
        return Attributes(people=people, by=by, pairs=self.pairs, minimum=self.minimum)


def _check_grouping(name: str, people: People) -> None:
    """Before hours of listening are done for it."""
    parts = name.split(CROSSED_BY)
    if not all(parts) or len({*parts}) < len(parts):
        message = f"--by {name!r}: name a column, or different ones to be crossed, as in --by sex+country"
        raise InvalidRequestError(message, field="by")
    for part in parts:
        people.known(part)


def _check_finite(threshold: float | None, field: str) -> None:
    if threshold is not None and not isfinite(threshold):
        option = "--" + field.replace("_", "-")
        raise InvalidRequestError(f"{option} is a score from which people are accepted, got {threshold}", field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """From where people are accepted: a score, or a policy of the service. Neither = training.evaluate.Settings."""

    threshold: float | None = None
    policy: str | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and self.policy is not None:
            raise InvalidRequestError("--threshold and --policy say the same thing: give one", field="threshold")
        _check_finite(self.threshold, "threshold")

    def of(self, policies: Policies, *, calibrated: bool) -> Threshold | None:
        """None = where these trials' FMR and FNMR meet."""
        if self.threshold is not None:
            return Threshold(value=self.threshold, source=AS_GIVEN)
        if self.policy is not None and not calibrated:
            message = f"policy {self.policy} needs LLRs, and these are scores: give --threshold, or a column llr"
            raise InvalidRequestError(message, field="policy")
        if not calibrated:
            return None
        return Threshold.of(policies.named(self.policy or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A file of scores of the same trials by the system that came before."""

    scores: Path
    threshold: float | None = None

    def __post_init__(self) -> None:
        _check_finite(self.threshold, "against_threshold")

    @classmethod
    def of(cls, scores: Path | None, threshold: float | None) -> "Other | None":
        """None without scores. Raises InvalidRequestError for a threshold of none."""
        if scores is None and threshold is not None:
            message = "--against-threshold is of the scores of --against: give those"
            raise InvalidRequestError(message, field="against_threshold")
        return cls(scores=scores, threshold=threshold) if scores else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The system asked about, and where another came before it, that one and what has changed since.

    `attributes`: by what its people were grouped; None = by the list's own columns alone.
    """

    evaluation: Evaluation
    attributes: Attributes | None = None
    before: Evaluation | None = None
    changes: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return self.evaluation.as_json() | ({"changes": self.changes} if self.changes else {})


def audit(
    material: Material,
    groups: Groups = Groups(),
    *,
    deployed: Deployed = Deployed(),
    other: Other | None = None,
    settings: Settings | None = None,
) -> Audit:
    """Raises InvalidRequestError naming the file, line or option at fault."""
    settings = settings or Settings()
    listed = material.listed()
    scores = material.scored(listed)
    people = groups.known(material)
    trials = listed or (scores.trials if scores else None)
    if trials is None:  # Material has seen to it
        raise ValueError("no trials")
    if people and people.speaker_of and not trials.has_speakers:
        trials = with_speakers(trials, people.speaker_of)
    check_both_kinds(trials)
    attributes = groups.attributes(people, trials)
    # Read before hours of listening are done beside it.
    others = read_scores_of(trials, other.scores, field="against") if other else None
    if other and others:
        # What listens is ours, and calibrated.
        same_scale = others.calibrated and (scores is None or scores.calibrated)
        _check_thresholds(deployed, other, same_scale=same_scale)
    if scores is None or material.scores is None:
        evaluation = _listened(material, trials, attributes, deployed=deployed, settings=settings)
    else:
        settings = replace(settings, threshold=deployed.of(material.policies(), calibrated=scores.calibrated))
        system = Identity(name=material.scores.stem, calibrated=scores.calibrated)
        evaluation = judge(
            trials, scores.scores, system, settings=settings, attributes=attributes, refused=scores.refused
        )
    if other is None or others is None:
        return Audit(evaluation=evaluation, attributes=attributes)
    before = _judged_alike(evaluation, other, others, attributes)
    changes = changes_json(before, evaluation)
    return Audit(evaluation=evaluation, attributes=attributes, before=before, changes=changes)


def _check_thresholds(deployed: Deployed, other: Other, *, same_scale: bool) -> None:
    if deployed.threshold is not None and other.threshold is None and not same_scale:
        message = "--threshold is for the scores of the system asked about: give --against-threshold too"
        raise InvalidRequestError(message, field="against_threshold")


def write_audit(audit: Audit, folder: Path) -> dict[str, Any]:
    """report.json, its page, scores.csv and, of the other system, before.json, each written beside and renamed.

    Returns the report.
    """
    report = audit.as_json()
    write_report(audit.evaluation, folder, report=report)
    write_text(folder / "report.html", render_page(report))
    if audit.before:
        write_json(folder / "before.json", audit.before.as_json())
    return report


def _listened(
    material: Material, trials: TrialList, attributes: Attributes | None, *, deployed: Deployed, settings: Settings
) -> Evaluation:
    with closing(Application(load_settings(material.config))) as application:
        system = systems.equivox_system(application)
        threshold = deployed.of(application.policies, calibrated=system.calibrated)
        settings = replace(settings, threshold=threshold)
        with progress_over(len(trials.sides), "recordings") as on_side:
            return evaluate(
                trials,
                system,
                SegmentReader(material.audio),
                settings=settings,
                attributes=attributes,
                cache=material.cache(system),
                on_side=on_side,
            )


def _judged_alike(evaluation: Evaluation, other: Other, scores: ScoreList, attributes: Attributes | None) -> Evaluation:
    """The other system's scores of the same trials, on the same draws."""
    same_scale = scores.calibrated and evaluation.system.calibrated
    threshold = evaluation.threshold if same_scale else None
    if other.threshold is not None:
        threshold = Threshold(value=other.threshold, source=AS_GIVEN)
    settings = replace(evaluation.settings, threshold=threshold)
    system = Identity(name=other.scores.stem, calibrated=scores.calibrated)
    return judge(
        evaluation.trials, scores.scores, system, settings=settings, attributes=attributes, refused=scores.refused
    )


def _check_known(people: People, trials: TrialList) -> None:
    known = set[str]().union(*people.columns.values())
    units = sorted({*trials.units})
    if known and known.isdisjoint(units):
        whose = "speakers" if trials.has_speakers else "sides (they name no speakers)"
        message = f"the table of people tells of none of the trials' {whose}: it knows {min(known)}, they {units[0]}"
        remedy = "; give it a column side, or the trials enrolment_speaker and test_speaker"
        message += "" if trials.has_speakers else remedy
        raise InvalidRequestError(message, field="people")
