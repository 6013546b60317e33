"""Puts a report and its page into the folder of what it is of, where the service finds them."""

import json
from pathlib import Path

from svc.artifact import Artifact, load_artifact, name_report
from svc.backends import embedder_artifact, transcriber_artifact
from svc.errors import ArtifactError
from svc.fairness_report import OF_VOICES, OF_WORDS, PAGE, REPORT, FairnessReport
from svc.scoring import calibration
from training.report_json import write_text
from training.report_page.reading import Json


def attach(raw: Json, page: str, folder: Path) -> None:
    """Names of recordings are left out; the card names the report by its digest.

    Which policies run only a server knows: it checks that of the report when it is asked for it.
    Raises ArtifactError for a folder that is no artifact, or of something else.
    """
    artifact = load_artifact(folder)
    if artifact.card.get("kind") == transcriber_artifact.KIND:
        report = _report(raw, page, folder, remedy=OF_WORDS)
        report.check_transcriber(artifact.digest)
    else:
        fingerprint, calibration_id = _measured_with(artifact, folder)
        report = _report(_without_names(raw), page, folder, remedy=OF_VOICES)
        report.check(fingerprint=fingerprint, calibration_id=calibration_id or str(raw.get("calibration_id", "")))
    if not report.has_its_page:
        raise ArtifactError(f"the report does not say what it was measured on; {report.remedy.format(folder=folder)}")
    write_text(folder / PAGE, report.report_html)
    write_text(folder / REPORT, report.report_json)
    name_report(folder, report.report_json.encode())


def _report(content: Json, page: str, folder: Path, *, remedy: str) -> FairnessReport:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
    return FairnessReport(folder=folder, content=content, report_json=text, report_html=page, remedy=remedy)


def _without_names(raw: Json) -> Json:
    unheard = [f"recording {number}" for number, _ in enumerate(raw.get("sides_without_speech", ()), 1)]
    return {**raw, "sides_without_speech": unheard}


def _measured_with(artifact: Artifact, folder: Path) -> tuple[str, str]:
    """The model's fingerprint, and the calibration's id; empty for an embedder, which goes with any."""
    kind = artifact.card.get("kind")
    if kind == calibration.KIND:
        fitted = calibration.from_artifact(artifact, folder)
        return fitted.model_fingerprint, fitted.calibration_id
    if kind == embedder_artifact.KIND:
        return embedder_artifact.fingerprint_of_card(artifact.card), ""
    measured = "a calibration, an embedder or a transcriber"
    raise ArtifactError(f"artifact {folder} is a {kind}: errors by group are of {measured}")
