"""Recordings with known turns."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from training.data import recordings
from training.data.conversations import make_conversation
from training.data.manifest import read_manifest
from training.data.recordings import read_ami, read_pyannote_sample, sample_folder


def test_the_sample_lies_in_the_installed_package() -> None:
    sample = read_pyannote_sample()
    assert {turn.speaker for turn in sample.turns} == {"speaker90", "speaker91"}
    assert sample.waveform.duration_s == pytest.approx(30.0)


@pytest.mark.slow
def test_the_sample_is_found_without_importing_pyannote() -> None:
    find = "from training.data.recordings import sample_folder; print(sample_folder())"
    code = f"import sys; {find}; assert 'torch' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(sample_folder())
    assert (sample_folder() / "sample.wav").exists()


def test_without_pyannote_the_sample_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "find_spec", lambda _: None)
    with pytest.raises(InvalidRequestError, match=r"'equivox\[server\]', from a checkout '\.\[server\]'$"):
        sample_folder()


@pytest.mark.slow
def test_every_excerpt_has_its_turns_whatever_its_folder_is_called(data_root: Path) -> None:
    train, dev = read_ami(data_root, "train"), read_ami(data_root, "dev")
    assert [recording.uri for recording in dev] == ["dev00", "dev01"]
    assert sorted(recording.uri for recording in train) == [f"trn{number:02}" for number in range(10)]
    for recording in [*train, *dev]:
        assert recording.turns
        assert recording.scored.end_s == pytest.approx(recording.waveform.duration_s, abs=0.05)


def test_a_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="EQUIVOX_DATA"):
        read_ami(tmp_path, "dev")


@pytest.mark.slow
def test_a_conversation_is_the_same_for_the_same_seed(data_root: Path) -> None:
    clips = [clip for clip in read_manifest(data_root / "manifest.csv") if clip.corpus == "saa"][:5]
    one, same, other = (
        make_conversation(clips, root=data_root, talkers=3, duration_s=40.0, seed=seed) for seed in (1, 1, 2)
    )
    assert (one.waveform.samples == same.waveform.samples).all()
    assert one.turns == same.turns
    assert one.turns != other.turns
    assert len({turn.speaker for turn in one.turns}) == 3
    assert all(b.speaker != a.speaker for a, b in pairwise(one.turns))
