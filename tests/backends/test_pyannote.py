"""The segmentation backend: decoding, safe loading, and the published network against pyannote's own inference."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from svc.backends.store import ModelStore
from svc.errors import ModelUnavailableError
from svc.pipelines.windows import FrameGrid
from svc.types import FloatArray
from training.data.recordings import read_pyannote_sample

if TYPE_CHECKING:
    from svc.backends.pyannote import PyannoteSegmenter

# Importing pyannote.audio takes seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def segmentation_checkpoint(store: ModelStore) -> Path:
    return store.path("pyannote-segmentation-3.0")


@pytest.fixture(scope="module")
def segmenter(segmentation_checkpoint: Path) -> "PyannoteSegmenter":
    from svc.backends.pyannote import PyannoteSegmenter

    return PyannoteSegmenter(segmentation_checkpoint)


@pytest.fixture(scope="module")
def windows(segmenter: "PyannoteSegmenter") -> FloatArray:
    grid = FrameGrid.of(segmenter)
    samples = read_pyannote_sample().waveform.samples
    return grid.cut(samples, grid.window_starts(len(samples), 5.0))


def test_the_powerset_is_in_the_published_order() -> None:
    from pyannote.audio.utils.powerset import Powerset

    from svc.backends.pyannote import powerset_table

    np.testing.assert_array_equal(powerset_table(3, 2), Powerset(3, 2).mapping.numpy())
    np.testing.assert_array_equal(powerset_table(4, 3), Powerset(4, 3).mapping.numpy())


def test_activities_equal_pyannotes_own_inference(segmenter: "PyannoteSegmenter", windows: FloatArray) -> None:
    import torch
    from pyannote.audio import Inference

    inference = Inference(segmenter.network, duration=10.0, step=5.0, skip_aggregation=True)
    theirs = inference.infer(torch.from_numpy(windows)[:, None])
    np.testing.assert_array_equal(segmenter.activities(windows), theirs)


def test_a_window_does_not_depend_on_its_batch(segmenter: "PyannoteSegmenter", windows: FloatArray) -> None:
    alone = np.concatenate([segmenter.activities(window[None]) for window in windows])
    assert (alone != segmenter.activities(windows)).mean() < 1e-3


def test_at_most_two_of_three_talk_at_once(segmenter: "PyannoteSegmenter", windows: FloatArray) -> None:
    found = segmenter.activities(windows)
    assert found.shape == (len(windows), 589, 3)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert found.sum(axis=2).max() <= 2


def test_silence_has_no_speaker(segmenter: "PyannoteSegmenter") -> None:
    assert not segmenter.activities(np.zeros((1, 160_000), np.float32)).any()


def test_frames_lie_where_pyannote_says(segmenter: "PyannoteSegmenter") -> None:
    grid, theirs = FrameGrid.of(segmenter), segmenter.network.receptive_field
    for frame in (0, 1, 588):
        assert grid.time_s(frame) == pytest.approx(theirs[frame].middle, abs=1 / 16_000)


def test_a_wrong_window_is_refused(segmenter: "PyannoteSegmenter") -> None:
    with pytest.raises(ValueError, match="160000"):
        segmenter.activities(np.zeros((1, 16_000), np.float32))


class Bomb:
    """What an attacker would put into a checkpoint."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (sys.exit, ("the checkpoint ran code",))


@pytest.mark.parametrize("content", ["missing", "empty", "text", "cut", "bomb", "other"])
def test_a_bad_checkpoint_names_the_remedy_and_runs_nothing(
    tmp_path: Path, segmentation_checkpoint: Path, content: str
) -> None:
    import torch

    from svc.backends.pyannote import PyannoteSegmenter

    path = tmp_path / "model.bin"
    if content == "bomb":
        torch.save({"state_dict": Bomb()}, path)
    elif content == "other":
        torch.save({"state_dict": {"weight": torch.zeros(3)}}, path)
    elif content != "missing":
        whole = segmentation_checkpoint.read_bytes()
        path.write_bytes({"empty": b"", "text": b"not a model", "cut": whole[: len(whole) // 2]}[content])
    with pytest.raises(ModelUnavailableError, match="equivox models pull"):
        PyannoteSegmenter(path)
