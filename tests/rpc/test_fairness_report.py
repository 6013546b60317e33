"""Models.GetFairnessReport: an audit of exactly what runs, or a status that says what is amiss."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from equivox.v1.models_pb2 import GetFairnessReportRequest, GetFairnessReportResponse
from equivox.v1.models_pb2_grpc import ModelsStub
from svc.artifact import name_report
from svc.backends.transcriber_artifact import save_transcriber
from svc.config import ServerConfig, TranscriptionConfig
from svc.errors import ArtifactError
from svc.fairness_report import load_fairness_report
from svc.scoring.policy import Policies, Policy
from tests.backends.toy_recogniser import UNITS
from tests.models.toy_transcriber import toy_transcriber
from tests.rpc.conftest import tiny_server
from tests.rpc.tiny_application import TINY_FINGERPRINT
from tests.rpc.toy_server import reason_of
from tests.rpc.toy_transcriber import ToyTranscriber

REPORT = {
    "fingerprint": TINY_FINGERPRINT,
    "calibration_id": "tiny",
    "threshold": {"value": 0.0, "source": "policy balanced"},
    "inputs_sha256": "ab" * 32,
}


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    """The folder of the calibration, an audit in it."""
    (tmp_path / "fairness.json").write_text(json.dumps(REPORT))
    (tmp_path / "fairness.html").write_text(f"<p>{REPORT['inputs_sha256']}, élan")
    return tmp_path


async def asked(channel: grpc.aio.Channel, name: str) -> GetFairnessReportResponse:
    answer: GetFairnessReportResponse = await ModelsStub(channel).GetFairnessReport(GetFairnessReportRequest(name=name))
    return answer


async def refused(channel: grpc.aio.Channel, name: str = "tiny") -> tuple[StatusCode, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asked(channel, name)
    return caught.value.code(), reason_of(caught.value), str(caught.value.details())


@pytest.mark.parametrize("name", ["tiny", "campplus"])
async def test_an_audit_of_what_runs_is_served_whole(name: str, channel: grpc.aio.Channel, audited: Path) -> None:
    answer = await asked(channel, name)
    assert answer.report_json == (audited / "fairness.json").read_text()
    assert answer.report_html == (audited / "fairness.html").read_text()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tiny", "equivox evaluate verification"),
        ("silero-vad", "silero-vad is voice-activity"),
    ],
)
async def test_what_nobody_has_measured_is_not_found(name: str, told: str, channel: grpc.aio.Channel) -> None:
    code, reason, message = await refused(channel, name)
    assert (code, reason) == (StatusCode.NOT_FOUND, "FAIRNESS_REPORT_NOT_FOUND")
    assert told in message


@pytest.mark.parametrize(
    ("transcriber", "code"), [(ToyTranscriber.fingerprint, StatusCode.OK), ("another", StatusCode.UNAVAILABLE)]
)
async def test_words_misheard_are_served_of_the_transcriber_that_runs(
    transcriber: str, code: StatusCode, tmp_path: Path
) -> None:
    folder = tmp_path / "words"
    save_transcriber(folder, toy_transcriber(), UNITS, {"name": "toy"})
    page, text = "<p>abab", json.dumps({"transcriber": transcriber, "inputs_sha256": "abab"})
    name_report(folder, text.encode())
    (folder / "fairness.json").write_text(text)
    (folder / "fairness.html").write_text(page)
    quick = ServerConfig(address="127.0.0.1:0", drain_s=5.0)
    words = TranscriptionConfig(artifact=folder)
    async with (
        tiny_server(tmp_path, server=quick, transcription=words) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        if code is StatusCode.OK:
            answer = await asked(channel, "toy")
            assert (answer.report_json, answer.report_html) == (text, page)
        else:
            assert (await refused(channel, "toy"))[0] is code


async def test_of_words_nobody_has_counted_it_says_how_to(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    save_transcriber(folder, toy_transcriber(), UNITS, {"name": "toy"})
    quick = ServerConfig(address="127.0.0.1:0", drain_s=5.0)
    async with (
        tiny_server(tmp_path, server=quick, transcription=TranscriptionConfig(artifact=folder)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        code, reason, message = await refused(channel, "toy")
    assert (code, reason) == (StatusCode.NOT_FOUND, "FAIRNESS_REPORT_NOT_FOUND")
    assert f"training.recognise_utterances --utterances UTTERANCES --artifact {folder}" in message


async def test_an_unknown_name_is_not_found(channel: grpc.aio.Channel) -> None:
    assert (await refused(channel, "nobody"))[:2] == (StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fingerprint": "0" * 16}, "fingerprint 0000000000000000, and here runs 7177"),
        ({"calibration_id": ""}, "calibration id none, and here runs tiny"),
        ({"threshold": {"source": "policy balanced", "value": 1.0}}, "policy balanced at LLR 1.0"),
        ({"threshold": {"source": "policy gone", "value": 0.0}}, "policy gone"),
        ({"inputs_sha256": "f" * 64}, "is not the page of"),
        ({"inputs_sha256": None}, "is not the page of"),
    ],
)
async def test_an_audit_of_something_else_is_never_served(
    change: dict[str, Any], told: str, channel: grpc.aio.Channel, audited: Path
) -> None:
    (audited / "fairness.json").write_text(json.dumps(REPORT | change))
    code, reason, message = await refused(channel)
    assert (code, reason) == (StatusCode.UNAVAILABLE, "ARTIFACT_INVALID")
    assert told in message


@pytest.mark.parametrize(
    ("policy_id", "threshold_llr", "told"),
    [
        ("door-1a2b3c4d", 1.5, ""),
        ("door-1a2b3c4d", 2.0, "policy door-1a2b3c4d at LLR 1.5, and here it stands at 2.0"),
        ("door-99999999", 1.5, "policy door-1a2b3c4d, and here is no policy .* there are .*, door-99999999"),
    ],
)
def test_a_policy_chosen_on_data_is_known_by_its_id(
    policy_id: str, threshold_llr: float, told: str, audited: Path
) -> None:
    at_the_door = {"threshold": {"source": "policy door-1a2b3c4d", "value": 1.5}}
    (audited / "fairness.json").write_text(json.dumps(REPORT | at_the_door))
    policies = Policies(chosen={"door": Policy(policy_id=policy_id, threshold_llr=threshold_llr)})
    report = load_fairness_report(audited)
    assert report is not None
    with pytest.raises(ArtifactError, match=told) if told else nullcontext():
        report.check(fingerprint=TINY_FINGERPRINT, calibration_id="tiny", policies=policies)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
async def test_a_broken_audit_is_an_error_and_no_answer(text: str, channel: grpc.aio.Channel, audited: Path) -> None:
    (audited / "fairness.json").write_text(text)
    code, reason, message = await refused(channel)
    assert (code, reason) == (StatusCode.UNAVAILABLE, "ARTIFACT_INVALID")
    assert "is broken" in message


async def test_a_threshold_somebody_gave_is_nobodys_policy(channel: grpc.aio.Channel, audited: Path) -> None:
    given = REPORT | {"threshold": {"value": 1.5, "source": "as given"}}
    (audited / "fairness.json").write_text(json.dumps(given))
    assert json.loads((await asked(channel, "tiny")).report_json) == given
