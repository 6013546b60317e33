"""Puts a report and its page into the folder of what it is of, where the service finds them."""

import json
from pathlib import Path

from svc.artifact import load_artifact, name_report
from svc.fairness_report import PAGE, REPORT, FairnessReport
from svc.scoring.calibration import KIND, from_artifact
from training.report_json import write_text
from training.report_page.reading import Json


def attach(raw: Json, page: str, folder: Path) -> None:
    """Names of recordings are left out; the card names the report by its digest.

    Raises ArtifactError for a folder that is no artifact, or of something else.
    """
    artifact = load_artifact(folder)
    unheard = [f"recording {number}" for number, _ in enumerate(raw["sides_without_speech"], 1)]
    content = {**raw, "sides_without_speech": unheard}
    report = FairnessReport(folder=folder, content=content, report_json=_compact(content), report_html=page)
    if artifact.card.get("kind") == KIND:
        calibration = from_artifact(artifact, folder)
        report.check(fingerprint=calibration.model_fingerprint, calibration_id=calibration.calibration_id)
    write_text(folder / PAGE, report.report_html)
    write_text(folder / REPORT, report.report_json)
    name_report(folder, report.report_json.encode())


def _compact(content: Json) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
