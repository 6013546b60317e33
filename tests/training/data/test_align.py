"""The run over all corpora: resumes, is the same on any number of workers, and says what it left out."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from svc.errors import InvalidRequestError
from svc.types import FloatArray
from tests.training.data.manifests import write_manifest
from tests.training.data.test_pauses import bursts
from tests.training.data.toy_aligner import EvenAligner, make_even_aligner
from training.data.align import align, summary
from training.data.read_recordings import VERSION, VERSIONS, clips_to_read, outcomes_of
from training.data.utterances import read_utterances


def spoken(duration_s: float) -> FloatArray:
    return bursts((0.2, duration_s - 0.2), duration_s=duration_s)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three digits, one of them silent, a call, and a recording without text."""
    clips = {
        "fsdd/a/1.wav": ("one", spoken(0.8)),
        "fsdd/a/2.wav": ("two", spoken(0.9)),
        "fsdd/a/3.wav": ("three", np.zeros(8_000, np.float32)),
        "wuw/b/1.wav": ("call the operator", spoken(1.5)),
        "libri/c/1.wav": ("", spoken(1.5)),
    }
    rows = []
    for path, (text, samples) in clips.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / path, samples, 16_000, subtype="FLOAT")
        corpus, speaker, _ = path.split("/")
        fixed = {"split": "train", "sample_rate_hz": 16_000, "duration_s": len(samples) / 16_000}
        rows.append({"path": path, "corpus": corpus, "speaker": f"{corpus}:{speaker}", "text": text, **fixed})
    write_manifest(tmp_path, rows)
    return tmp_path


def test_every_believable_recording_becomes_utterances(root: Path) -> None:
    outcomes = align(clips_to_read(root, ["fsdd", "wuw"], None), root, root / "out", make_aligner=EvenAligner)
    utterances = read_utterances(root / "out/utterances.jsonl")
    assert [utterance.text for utterance in utterances] == ["one", "two", "call the operator"]
    assert {utterance.domain for utterance in utterances} == {"digits", "telephone"}
    kept_ids = [kept.utterance_id for outcome in outcomes for kept in outcome.utterances]
    assert [utterance.utterance_id for utterance in utterances] == kept_ids
    assert [outcome.reasons for outcome in outcomes if outcome.reasons] == [("no word of credible length",)]


def test_a_run_broken_off_goes_on_and_ends_the_same(root: Path) -> None:
    clips = clips_to_read(root, ["fsdd", "wuw"], None)
    align(clips, root, root / "whole", make_aligner=EvenAligner)
    whole = (root / "whole/recordings.jsonl").read_text()
    (root / "half").mkdir()
    (root / "half/recordings.jsonl").write_text(whole[: len(whole) // 2])
    align(clips, root, root / "half", make_aligner=EvenAligner)
    assert (root / "half/recordings.jsonl").read_text() == whole
    assert (root / "half/utterances.jsonl").read_text() == (root / "whole/utterances.jsonl").read_text()


def test_what_was_read_is_not_read_again(root: Path) -> None:
    clips = clips_to_read(root, ["wuw"], None)
    align(clips, root, root / "out", make_aligner=EvenAligner)
    (root / "wuw/b/1.wav").unlink()
    assert len(align(clips, root, root / "out", make_aligner=EvenAligner)[0].utterances) == 1


def test_what_is_known_is_not_read_and_not_in_the_journal(root: Path) -> None:
    clips = clips_to_read(root, ["fsdd", "wuw"], None)
    whole = align(clips, root, root / "whole", make_aligner=EvenAligner)
    (root / "wuw/b/1.wav").unlink()
    (call,) = (outcome for outcome in whole if outcome.corpus == "wuw")
    align(clips, root, root / "out", make_aligner=EvenAligner, known={call.path: call})
    assert (root / "out/utterances.jsonl").read_text() == (root / "whole/utterances.jsonl").read_text()
    assert call.path not in outcomes_of(root / "out/recordings.jsonl")


def test_only_a_corpus_whose_reader_changed_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = clips_to_read(root, ["fsdd", "wuw"], None)
    align(clips, root, root / "out", make_aligner=EvenAligner)
    monkeypatch.setitem(VERSIONS, "wuw", VERSION + 1)
    done = outcomes_of(root / "out/recordings.jsonl")
    assert set(done) == {"fsdd/a/1.wav", "fsdd/a/2.wav", "fsdd/a/3.wav"}
    align(clips, root, root / "out", make_aligner=EvenAligner)
    assert set(outcomes_of(root / "out/recordings.jsonl")) == {clip.path for clip in clips}


@pytest.mark.slow  # two processes start
def test_two_workers_give_what_one_gives(root: Path) -> None:
    clips = clips_to_read(root, ["fsdd", "wuw"], None)
    for workers in (1, 2):
        align(clips, root, root / str(workers), make_aligner=make_even_aligner, workers=workers)
    assert (root / "1/utterances.jsonl").read_text() == (root / "2/utterances.jsonl").read_text()


POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from training.data.align import end_with_parent
import os, time
pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=end_with_parent)
print(pool.submit(os.getpid).result(), flush=True)
time.sleep(60)
"""


@pytest.mark.slow  # two processes start
def test_workers_end_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", POOL], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([worker], timeout=10)[1] == []


def test_pseudo_labels_are_for_training_only(root: Path) -> None:
    assert clips_to_read(root, ["libri"], None)
    manifest = root / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("libri,train", "libri,test"))
    assert clips_to_read(root, ["libri"], None) == []


def test_an_unknown_corpus_is_refused_with_those_there_are(root: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no corpus 'ami'; there are fsdd"):
        clips_to_read(root, ["ami"], None)


def test_the_summary_counts_what_was_kept_and_left_out(root: Path) -> None:
    outcomes = align(clips_to_read(root, ["fsdd"], None), root, root / "out", make_aligner=EvenAligner)
    hours, rejects = summary(outcomes)
    assert [list(column.cells) for column in hours.columns][:5] == [["digits"], ["train"], ["2"], ["1"], ["2"]]
    assert [list(column.cells) for column in rejects.columns] == [
        ["fsdd"], ["no word of credible length"], ["1"], ["3"]
    ]  # fmt: skip
