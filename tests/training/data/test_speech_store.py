"""The store gives back what is in the recordings, decoded once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from svc.errors import InvalidRequestError
from svc.types import FloatArray
from tests.training.data.talkers import talkers, tones
from training.data.cached_array import cached_array
from training.data.manifest import read_manifest
from training.data.speech_store import SpeechStore, load_noises
from training.data.utterances import Utterance


def written(utterances: Sequence[Utterance], root: Path, *, gain: float = 1.0) -> Path:
    for utterance in utterances:
        path = root / utterance.path
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, gain * tones(utterance), 16_000)
    return root


def test_cuts_are_those_of_the_recording_and_decoded_once(tmp_path: Path) -> None:
    spoken, kept = talkers(2), tmp_path / "kept"
    root = written(spoken, tmp_path / "audio")
    SpeechStore.open(spoken, root=root, folder=kept)
    again = SpeechStore.open(spoken[::-1], root=root, folder=kept)
    for utterance in spoken:
        cut = again.read(utterance.utterance_id, 0.1, 0.6)
        np.testing.assert_allclose(cut, tones(utterance)[1600:9600][: len(cut)], atol=1e-4)
    assert len(list(kept.glob("*.npy"))) == 1


def test_recordings_of_another_folder_or_mended_in_place_are_read_anew(tmp_path: Path) -> None:
    spoken, kept = talkers(2), tmp_path / "kept"

    def first_second(root: Path) -> FloatArray:
        return SpeechStore.open(spoken, root=root, folder=kept).read(spoken[0].utterance_id, 0.0, 1.0)

    loud, quiet = (first_second(written(spoken, tmp_path / str(gain), gain=gain)) for gain in (1.0, 0.5))
    mended = first_second(written(spoken, tmp_path / "1.0", gain=0.25))
    np.testing.assert_allclose([quiet, mended], [loud / 2, loud / 4], atol=1e-4)


def test_recordings_that_are_not_there_are_counted_before_any_is_decoded(tmp_path: Path) -> None:
    spoken = talkers(2)
    with pytest.raises(InvalidRequestError, match=r"(\d+) of \1 recordings are not there, such as .*: give --root"):
        SpeechStore.open(spoken, root=tmp_path, folder=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_recording_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    spoken = talkers(1)
    for utterance in spoken:
        path = tmp_path / utterance.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF, and no more")
    with pytest.raises(InvalidRequestError, match=rf"^{tmp_path}/\S+\.wav: "):
        SpeechStore.open(spoken, root=tmp_path, folder=tmp_path / "kept")
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".lock"]


def test_an_array_is_made_once_for_what_it_is_made_from(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(3)

    for seed in (0, 0, 1):
        np.testing.assert_array_equal(cached_array(tmp_path, "numbers", {"seed": seed}, make), np.arange(3))
    assert len(made) == 2
    assert not list(tmp_path.glob("*.part"))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock", ".lock", ".npy", ".npy"]


def test_a_folder_nothing_can_be_kept_in_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OSError, match=r"nothing can be kept in \S+/taken \(File exists\): give another --cache"):
        cached_array(tmp_path / "taken", "numbers", {}, lambda: pytest.fail("made"))


def test_of_several_that_want_an_array_at_once_one_makes_it(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> np.ndarray:
        made.append(1)
        time.sleep(0.05)
        return np.arange(3)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cached_array(tmp_path, "numbers", {}, make), range(4)))
    assert len(made) == 1
    assert all(array.tolist() == [0, 1, 2] for array in found)


def test_noises_are_at_the_rate_of_the_models(corpus_root: Path) -> None:
    clips = [clip for clip in read_manifest(corpus_root / "manifest.csv") if clip.corpus == "noise"]
    noises = load_noises(clips, corpus_root)
    assert set(noises) == {clip.path for clip in clips}
    assert all(noise.sample_rate_hz == 16_000 and len(noise.samples) == 48_000 for noise in noises.values())
