"""`python -m training.report_page` and what it leaves in an artifact."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svc.artifact import load_artifact, save_artifact
from svc.backends import embedder_artifact
from svc.errors import ArtifactError
from svc.fairness_report import load_fairness_report
from svc.scoring.calibration import KIND, SCORE, CalibrationWeights, from_artifact, tensors_of
from svc.scoring.conditions import FEATURES
from tests.training.fairness.cohorts.toy_discovery import cohorts_report
from tests.training.report_page.toy_reports import report
from training.report_page.__main__ import main
from training.report_page.attaching import attach
from training.report_page.page import render_page
from training.report_page.recognition import render_recognition

MODEL = "f" * 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A calibration for the model of the toy reports."""
    flat = np.zeros(1 + len(FEATURES))
    weights = CalibrationWeights(slope=flat, offset=flat, doubt=np.array([0.01, 0.01]))
    card = {"kind": KIND, "name": "toy", "model_fingerprint": MODEL, "features": list(FEATURES), "score": SCORE}
    save_artifact(tmp_path / "calibration", tensors_of(weights), card)
    return tmp_path / "calibration"


def report_of(folder: Path, **changes: object) -> dict[str, Any]:
    calibration_id = from_artifact(load_artifact(folder), folder).calibration_id
    return report() | {"calibration_id": calibration_id, **changes}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["report_page", *map(str, arguments)])
    main()


def test_a_report_becomes_the_same_page_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report()))
    run(monkeypatch, tmp_path / "report.json", "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == render_page(report())


def test_what_is_attached_is_what_a_server_finds(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = report_of(folder)
    (tmp_path / "report.json").write_text(json.dumps(content))
    run(monkeypatch, tmp_path / "report.json", "--artifact", folder)
    found = load_fairness_report(folder)
    assert found is not None
    found.check(fingerprint=MODEL, calibration_id=content["calibration_id"])
    assert found.content == content
    assert found.report_html == render_page(content)


def test_the_card_names_what_is_attached(folder: Path) -> None:
    content = report_of(folder)
    attach(content, render_page(content), folder)
    found = load_fairness_report(folder)
    assert found is not None
    digest = hashlib.sha256(found.report_json.encode()).hexdigest()
    assert f'fairness_sha256 = "{digest}"' in from_artifact(load_artifact(folder), folder).card_toml


@pytest.mark.parametrize("touched", ["fairness.json", "card.toml"])
def test_a_report_the_card_does_not_name_is_refused(folder: Path, touched: str) -> None:
    content = report_of(folder)
    attach(content, render_page(content), folder)
    text = (folder / touched).read_text()
    (folder / touched).write_text(text.replace("fairness_sha256", "another_sha256") + "\n")
    with pytest.raises(ArtifactError, match="is not the report"):
        load_fairness_report(folder)


def test_a_report_that_is_named_and_gone_is_missed(folder: Path) -> None:
    content = report_of(folder)
    attach(content, render_page(content), folder)
    (folder / "fairness.json").unlink()
    with pytest.raises(ArtifactError, match=r"fairness\.json is missing"):
        load_fairness_report(folder)


def test_no_file_name_of_a_recording_is_attached(folder: Path) -> None:
    content = report_of(folder, sides_without_speech=["ann/secret.wav", "bob/secret.wav"])
    attach(content, render_page(content), folder)
    found = load_fairness_report(folder)
    assert found is not None
    assert "secret" not in found.report_json + found.report_html
    assert len(found.content["sides_without_speech"]) == 2


def test_a_report_of_another_calibration_is_not_attached(folder: Path) -> None:
    content = report_of(folder, calibration_id="another")
    with pytest.raises(ArtifactError, match="calibration id another, and here runs toy"):
        attach(content, "", folder)
    assert load_fairness_report(folder) is None


def test_an_audit_at_a_policy_chosen_on_data_is_attached_and_left_to_the_server_to_check(folder: Path) -> None:
    content = report_of(folder, threshold=report()["threshold"] | {"source": "policy door-1a2b3c4d"})
    attach(content, render_page(content), folder)
    found = load_fairness_report(folder)
    assert found is not None
    assert found.content == content


def test_an_embedder_takes_a_report_of_its_own_weights_alone(tmp_path: Path) -> None:
    save_artifact(tmp_path / "mine", {"a": np.zeros(1, np.float32)}, {"kind": embedder_artifact.KIND})
    with pytest.raises(ArtifactError, match=f"fingerprint {MODEL}, and here runs"):
        attach(report(), "", tmp_path / "mine")
    assert load_fairness_report(tmp_path / "mine") is None
    fingerprint = embedder_artifact.fingerprint_of_card(load_artifact(tmp_path / "mine").card)
    content = report() | {"fingerprint": fingerprint}
    attach(content, render_page(content), tmp_path / "mine")
    assert load_fairness_report(tmp_path / "mine") is not None


@pytest.fixture
def transcriber(tmp_path: Path) -> Path:
    save_artifact(tmp_path / "words", {"a": np.zeros(1, np.float32)}, {"kind": "transcriber"})
    return tmp_path / "words"


def test_a_transcriber_takes_a_report_on_its_own_words(
    transcriber: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = cohorts_report() | {"transcriber": load_artifact(transcriber).digest}
    (tmp_path / "report.json").write_text(json.dumps(content))
    run(monkeypatch, tmp_path / "report.json", "--artifact", transcriber)
    found = load_fairness_report(transcriber)
    assert found is not None
    assert found.content == content
    assert found.report_html == render_recognition(content)
    found.check_transcriber(load_artifact(transcriber).digest)


def test_a_transcriber_has_no_errors_of_verification_nor_of_another(transcriber: Path) -> None:
    with pytest.raises(ArtifactError, match=r"transcriber none, and here runs .*recognise_utterances"):
        attach(report(), "", transcriber)
    with pytest.raises(ArtifactError, match="transcriber toy, and here runs"):
        attach(cohorts_report() | {"transcriber": "toy"}, "", transcriber)
    assert load_fairness_report(transcriber) is None


def test_a_report_from_before_reports_said_what_they_rest_on_is_not_attached(transcriber: Path) -> None:
    content = cohorts_report() | {"transcriber": load_artifact(transcriber).digest, "system": "None"}
    del content["inputs_sha256"]
    with pytest.raises(ArtifactError, match="does not say what it was measured on"):
        attach(content, render_recognition(content), transcriber)


def test_other_models_have_no_errors_by_group(tmp_path: Path) -> None:
    save_artifact(tmp_path / "other", {"a": np.zeros(1, np.float32)}, {"kind": "segmenter"})
    with pytest.raises(ArtifactError, match="is a segmenter: errors by group are of a calibration"):
        attach(report(), "", tmp_path / "other")


def test_a_folder_of_no_curves_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report()))
    with pytest.raises(SystemExit, match="no folder of curves at"):
        run(monkeypatch, tmp_path / "report.json", "--out", tmp_path / "page.html", "--weights", tmp_path / "gone")
    assert not (tmp_path / "page.html").exists()


def test_mistakes_end_with_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text('{"form": 1}')
    with pytest.raises(SystemExit, match="error: a report of form 1"):
        run(monkeypatch, tmp_path / "report.json", "--out", tmp_path / "page.html")
    (tmp_path / "report.json").write_text("a,b")
    with pytest.raises(SystemExit, match=r"report\.json is not JSON"):
        run(monkeypatch, tmp_path / "report.json", "--out", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_report_on_cohorts_becomes_its_page_and_is_not_attached_to_a_calibration(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.json").write_text(json.dumps(cohorts_report()))
    run(monkeypatch, tmp_path / "report.json", "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == render_recognition(cohorts_report())
    with pytest.raises(SystemExit, match=f"fingerprint none, and here runs {MODEL}"):
        run(monkeypatch, tmp_path / "report.json", "--artifact", folder)
    assert load_fairness_report(folder) is None
