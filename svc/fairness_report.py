"""The audit that lies in the folder of a model or calibration, and whether it is of what runs.

Voices verified are of embedder and calibration together, words misheard of a transcriber.

training.report_page puts it there (`--artifact FOLDER`), and the artifact's card then names it by its digest. A report
of other weights, another calibration or a policy that has moved since would be worse than none, so it is refused; one
that the card does not name, too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svc.artifact import CARD, named_report
from svc.errors import ArtifactError, FairnessReportNotFoundError, PolicyUnknownError
from svc.loaded_model import TRANSCRIBER, LoadedModel
from svc.scoring.policy import Policies

REPORT, PAGE = "fairness.json", "fairness.html"
# As training.evaluate writes where a threshold is from.
POLICY = "policy "
SERVED = "--out OUT, then python -m training.report_page OUT/report.json --artifact {folder}"
OF_VOICES = (
    "measure what runs: equivox evaluate verification --trials LIST --audio-root FOLDER --people PEOPLE --by sex "
    f"{SERVED}"
)
OF_WORDS = (
    "measure what runs: python -m training.recognise_utterances --utterances UTTERANCES --artifact {folder} "
    f"--out ERRORS, python -m training.discover_cohorts --errors ERRORS --by sex {SERVED}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessReport:
    """As read, both as they lie there."""

    folder: Path
    content: Mapping[str, Any]
    report_json: str
    report_html: str
    # How to measure what runs; {folder} is where the report should lie.
    remedy: str = OF_VOICES

    @property
    def has_its_page(self) -> bool:
        """Whether the page tells what the report rests on."""
        inputs = self.content.get("inputs_sha256")
        return isinstance(inputs, str) and inputs != "" and inputs in self.report_html

    def check(self, *, fingerprint: str, calibration_id: str, policies: Policies | None = None) -> None:
        """Raises ArtifactError unless it was measured on this embedder, this calibration and a policy as it stands.

        `policies`: those that run; None = which will is not known here.
        """
        self._check_names({"fingerprint": fingerprint, "calibration_id": calibration_id})
        if policies is not None:
            self._check_policy(policies)

    def check_transcriber(self, fingerprint: str) -> None:
        """Raises ArtifactError unless it is of the words of this transcriber."""
        self._check_names({"transcriber": fingerprint})

    def _check_names(self, wanted: Mapping[str, str]) -> None:
        for name, value in wanted.items():
            if self.content.get(name) != value:
                found = self.content.get(name) or "none"
                raise self._not_of(f"{name.replace('_', ' ')} {found}, and here runs {value}")

    def _check_policy(self, policies: Policies) -> None:
        threshold = self.content.get("threshold", {})
        source = str(threshold.get("source", ""))
        if not source.startswith(POLICY):
            return
        try:
            stands_at = policies.identified(source.removeprefix(POLICY)).threshold_llr
        except PolicyUnknownError as error:
            raise self._not_of(f"{source}, and here is {error}") from error
        if stands_at != threshold.get("value"):
            raise self._not_of(f"{source} at LLR {threshold.get('value')}, and here it stands at {stands_at}")

    def _not_of(self, what: str) -> ArtifactError:
        remedy = self.remedy.format(folder=self.folder)
        return ArtifactError(f"{self.folder / REPORT} is of {what}; {remedy}")


def find_fairness_report(model: LoadedModel) -> FairnessReport:
    """The first there is. Raises FairnessReportNotFoundError where nobody has measured it, ArtifactError as below."""
    remedy = OF_WORDS if model.role == TRANSCRIBER else OF_VOICES
    for folder in model.audited_in:
        if report := load_fairness_report(folder, remedy):
            return report
    if not model.audited_in:
        measured = "embedder and calibration, and of a transcriber trained here"
        message = f"errors by group are measured of {measured}; {model.name} is {model.role}"
        raise FairnessReportNotFoundError(message, field="name")
    measure = remedy.format(folder=model.audited_in[0])
    raise FairnessReportNotFoundError(f"nobody has measured {model.name} by group: {measure}", field="name")


def load_fairness_report(folder: Path, remedy: str = OF_VOICES) -> FairnessReport | None:
    """None where there is none. `remedy`: OF_VOICES or OF_WORDS.

    Raises ArtifactError when it is broken, not what the card beside it names, or the page is not of the report.
    """
    named, remedy_here = named_report(folder), remedy.format(folder=folder)
    try:
        texts = [(folder / name).read_text(encoding="utf-8") for name in (REPORT, PAGE)]
        content = json.loads(texts[0])
        _ = content["inputs_sha256"]
    except FileNotFoundError as error:
        if named:
            raise ArtifactError(f"{error.filename} is missing, and {CARD} names it; restore it") from error
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{folder / REPORT} is broken: {error}; {remedy_here}"
        raise ArtifactError(message) from error
    if named is not None and named != hashlib.sha256(texts[0].encode()).hexdigest():
        message = f"{folder / REPORT} is not the report that {CARD} names; {remedy_here}"
        raise ArtifactError(message)
    report = FairnessReport(folder=folder, content=content, report_json=texts[0], report_html=texts[1], remedy=remedy)
    if not report.has_its_page:
        message = f"{folder / PAGE} is not the page of {REPORT}; {remedy_here}"
        raise ArtifactError(message)
    return report
