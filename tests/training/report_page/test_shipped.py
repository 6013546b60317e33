"""The audit in the repository: of the calibration beside it, whole, small, and naming nobody."""

from pathlib import Path

import pytest

import svc
from svc.artifact import load_artifact
from svc.fairness_report import PAGE, REPORT, FairnessReport, load_fairness_report
from svc.scoring.calibration import from_artifact
from training.audit_shipped import ABOUT, BY
from training.report_page.page import render_page

FOLDER = Path(svc.__file__).parent / "artifacts" / "calibration-campplus"
REMEDY = "run `python -m training.report_page FOLDER/fairness.json --artifact FOLDER`"


@pytest.fixture(scope="module")
def shipped() -> FairnessReport:
    report = load_fairness_report(FOLDER)
    assert report is not None
    return report


def test_it_is_of_the_calibration_it_lies_beside(shipped: FairnessReport) -> None:
    calibration = from_artifact(load_artifact(FOLDER), FOLDER)
    shipped.check(fingerprint=calibration.model_fingerprint, calibration_id=calibration.calibration_id)


def test_the_page_is_what_the_report_gives_today(shipped: FairnessReport) -> None:
    assert shipped.report_html == render_page(shipped.content), REMEDY


def test_it_tells_whose_voices_by_what_and_how_many(shipped: FairnessReport) -> None:
    assert shipped.content["about"] == ABOUT
    assert set(shipped.content["by_group"]) == set(BY)
    assert shipped.content["replicas"] >= 200
    assert shipped.content["overall"]["n_speakers"] > 100


def test_it_is_small_and_names_no_talker_and_no_recording(shipped: FairnessReport) -> None:
    assert sum((FOLDER / name).stat().st_size for name in (REPORT, PAGE)) < 1_000_000
    for text in (shipped.report_json, shipped.report_html):
        assert not [name for name in (".opus", ".wav", ".flac", "saa:", "saa/") if name in text]
