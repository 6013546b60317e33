"""The audits in the repository: of the calibration and the transcriber beside them, whole, small, and naming nobody."""

from pathlib import Path

import pytest

import svc
from svc.artifact import load_artifact, read_card
from svc.fairness_report import OF_WORDS, PAGE, REPORT, FairnessReport, load_fairness_report
from svc.scoring.calibration import from_artifact
from svc.scoring.policy import Policies
from training.audit_shipped import ABOUT, BY
from training.report_page.page import render_page
from training.report_page.recognition import render_recognition

SHIPPED = Path(svc.__file__).parent / "artifacts"
FOLDER, WORDS = SHIPPED / "calibration-campplus", SHIPPED / "transcriber-english"
REMEDY = "run `python -m training.report_page FOLDER/fairness.json --artifact FOLDER`"


@pytest.fixture(scope="module")
def shipped() -> FairnessReport:
    report = load_fairness_report(FOLDER)
    assert report is not None
    return report


def test_it_is_of_the_calibration_it_lies_beside(shipped: FairnessReport) -> None:
    calibration = from_artifact(load_artifact(FOLDER), FOLDER)
    of = {"fingerprint": calibration.model_fingerprint, "calibration_id": calibration.calibration_id}
    shipped.check(**of, policies=Policies())


def test_the_page_is_what_the_report_gives_today(shipped: FairnessReport) -> None:
    assert shipped.report_html == render_page(shipped.content), REMEDY


def test_it_tells_whose_voices_by_what_and_how_many(shipped: FairnessReport) -> None:
    assert shipped.content["about"] == ABOUT
    assert set(shipped.content["by_group"]) == set(BY)
    assert shipped.content["replicas"] >= 200
    assert shipped.content["overall"]["n_speakers"] > 100


@pytest.fixture(scope="module")
def of_words() -> FairnessReport:
    report = load_fairness_report(WORDS, OF_WORDS)
    assert report is not None
    return report


def test_that_of_words_is_of_the_transcriber_it_lies_beside(of_words: FairnessReport) -> None:
    of_words.check_transcriber(read_card(WORDS).digest)
    assert of_words.report_html == render_recognition(of_words.content), REMEDY
    assert {"native", "sex", "country", "embedding-8"} <= {each["kind"] for each in of_words.content["rankings"]}
    assert of_words.content["n_speakers"] > 100


@pytest.mark.parametrize("folder", [FOLDER, WORDS])
def test_they_are_small_and_name_no_talker_and_no_recording(folder: Path) -> None:
    assert sum((folder / name).stat().st_size for name in (REPORT, PAGE)) < 1_000_000
    for text in ((folder / name).read_text() for name in (REPORT, PAGE)):
        assert not [name for name in (".opus", ".wav", ".flac", "saa:", "saa/") if name in text]
