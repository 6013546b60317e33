"""Policies chosen on data: what is written is what is read, by its own id, and never on another calibration's LLRs."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import ArtifactError, PolicyUnknownError
from svc.scoring.policy import Policies, Policy
from svc.scoring.policy_file import load_policies, load_policy, policy_text

ABOUT = {"command": "python -m x", "limits": {"max_fnmr_ratio": 1.25}}


def written(
    path: Path, *, name: str = "door", threshold_llr: float = 1.5, about: dict[str, object] | None = None
) -> Path:
    policy = Policy(policy_id=name, threshold_llr=threshold_llr, inconclusive_band=0.5, min_snr_db=3.0)
    path.write_text(policy_text(name, policy, calibration_id="cal-1", about=about or ABOUT))
    return path


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_to_the_bit(threshold_llr: float) -> None:
    text = policy_text("p", Policy(policy_id="p", threshold_llr=threshold_llr), calibration_id="c", about={})
    assert f"threshold_llr = {threshold_llr!r}\n" in text


def test_a_policy_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = load_policy(written(tmp_path / "door.toml"))
    wanted = Policy(policy_id=file.policy.policy_id, threshold_llr=1.5, inconclusive_band=0.5, min_snr_db=3.0)
    assert asdict(file.policy) == asdict(wanted)
    assert (file.name, file.calibration_id) == ("door", "cal-1")


def test_the_id_is_the_name_with_a_digest_of_all_that_is_said(tmp_path: Path) -> None:
    one = load_policy(written(tmp_path / "1.toml")).policy.policy_id
    other = load_policy(written(tmp_path / "2.toml", about={"command": "another"})).policy.policy_id
    assert one.startswith("door-")
    assert len(one) == len("door-") + 8
    assert one != other


def test_chosen_policies_are_named_beside_ours(tmp_path: Path) -> None:
    (file,) = load_policies([written(tmp_path / "door.toml")])
    policies = Policies(default="door", chosen={file.name: file.policy})
    assert policies.named("") is policies.named("door") is file.policy
    assert policies.named("strict").policy_id == "strict"
    with pytest.raises(PolicyUnknownError, match="balanced, strict, lenient, door"):
        policies.named("window")


def test_two_policies_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="another named door"):
        load_policies([written(tmp_path / "1.toml"), written(tmp_path / "2.toml", threshold_llr=2.0)])
    with pytest.raises(ArtifactError, match="another named strict"):
        load_policies([written(tmp_path / "s.toml", name="strict")])


def test_a_policy_is_not_used_on_another_calibration(tmp_path: Path) -> None:
    file = load_policy(written(tmp_path / "door.toml"))
    file.check_calibration("cal-1")
    with pytest.raises(ArtifactError, match=r"calibration cal-1, this server has cal-2; choose it again"):
        file.check_calibration("cal-2")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threshold_llr", "-inf"),
        ("threshold_llr", "nan"),
        ("threshold_llr", '"high"'),
        ("inconclusive_band", "-0.1"),
        ("inconclusive_band", "inf"),
        ("min_net_speech_s", "-1.0"),
        ("min_snr_db", "nan"),
        ("max_clipped_share", "1.5"),
        ("name", '""'),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_file_and_key(key: str, value: str, tmp_path: Path) -> None:
    path = written(tmp_path / "door.toml")
    path.write_text(re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", path.read_text()))
    with pytest.raises(ArtifactError, match=rf"policy {path} is broken: {key} "):
        load_policy(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "cannot read policy"),
        ("name = ", "cannot read policy"),
        ('name = "door"\n[limits]\nmax_fmr = 0.1\n', "no policy that was chosen"),
        ('kind = "policy"\nname = "door"\n', "broken: 'threshold_llr'"),
        ('kind = "policy"\nthreshold_llr = "high"\n', "broken"),
    ],
)
def test_what_is_no_policy_is_named_with_the_remedy(text: str | None, named: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=named) as error:
        load_policy(path)
    assert "training.calibrate --policy" in str(error.value)
