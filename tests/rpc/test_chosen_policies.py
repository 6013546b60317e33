"""A server with a policy chosen on data: by name or by default, and only on the calibration it was chosen for."""

from dataclasses import replace
from pathlib import Path

import pytest

from equivox.v1.verification_pb2 import Policy as PolicyMessage
from svc.config import VerificationConfig
from svc.errors import ArtifactError, PolicyUnknownError
from svc.rpc.convert import to_policy
from svc.scoring.policy import Policy
from svc.scoring.policy_file import policy_text
from tests.rpc.tiny_application import TinyApplication, tiny_config


def server(folder: Path, *, calibration_id: str = "tiny", default: str = "door") -> TinyApplication:
    policy = Policy(policy_id="door", threshold_llr=2.5)
    (folder / "door.toml").write_text(policy_text("door", policy, calibration_id=calibration_id, about={}))
    verification = VerificationConfig(policy=default, policies=(folder / "door.toml",))
    return TinyApplication(replace(tiny_config(folder), verification=verification))


def test_it_decides_by_default_and_when_it_is_named(tmp_path: Path) -> None:
    policies = server(tmp_path).policies
    assert to_policy(PolicyMessage(), policies).threshold_llr == 2.5
    assert to_policy(PolicyMessage(name="door"), policies).policy_id.startswith("door-")
    assert to_policy(PolicyMessage(name="strict"), policies).policy_id == "strict"


def test_a_server_of_another_calibration_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="calibration elsewhere, this server has tiny"):
        server(tmp_path, calibration_id="elsewhere").warm_up()


def test_a_default_that_is_no_policy_keeps_a_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnknownError, match="there are balanced, strict, lenient, door"):
        server(tmp_path, default="window").warm_up()
