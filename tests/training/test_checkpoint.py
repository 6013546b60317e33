"""Checkpoints on disk: whatever else lies in their place is told in one line, and is no end of a study."""

from pathlib import Path

import pytest
import torch

from svc.errors import ArtifactError
from tests.training.toy_transcriber_run import RECIPE
from training.checkpoint import CHECKPOINT, load_torch, read_checkpoint
from training.studies.ablation_run import is_done
from training.studies.ablation_variants import AblationRun

NO_CHECKPOINTS = {
    "nothing": b"",
    "text": b"hello text\n",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n",
    "torn": b"PK\x03\x04abc",
    "pickle": b"\x80\x02}q\x00.",
}


@pytest.fixture(params=NO_CHECKPOINTS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """With something in place of its checkpoint."""
    (tmp_path / CHECKPOINT).write_bytes(NO_CHECKPOINTS[request.param])
    return tmp_path


def test_what_is_no_checkpoint_is_told_in_a_line_with_the_remedy(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"checkpoint\.pt is broken \(.*\); delete it to start over$") as told:
        read_checkpoint(folder)
    assert "\n" not in str(told.value)


def test_a_study_goes_on_past_what_is_no_checkpoint(folder: Path) -> None:
    assert not is_done(AblationRun(name="", recipe=RECIPE), folder)


def test_a_file_of_other_parts_is_as_broken(tmp_path: Path) -> None:
    torch.save({"step": 3}, tmp_path / CHECKPOINT)
    with pytest.raises(ArtifactError, match=r"TypeError: .* missing"):
        read_checkpoint(tmp_path)
    with pytest.raises(ArtifactError, match=r"KeyError: 'fisher'.*; make it again"):
        load_torch(tmp_path / CHECKPOINT, lambda parts: parts["fisher"], remedy="make it again")
    assert load_torch(tmp_path / CHECKPOINT, lambda parts: parts["step"], remedy="") == 3
