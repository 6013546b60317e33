"""The second pass on real speech: what Whisper makes of a reader's first sentences comes back through the desk."""

from pathlib import Path

import pytest

from svc.audio.resample import resample
from svc.backends.loading import load_open_vocabulary
from svc.backends.store import ModelStore
from svc.pipelines.live.second_pass import ClosedTurn, SecondPass, SecondPassDesk
from training.data.audio_files import load_waveform
from training.data.manifest import read_manifest
from training.data.spoken_text import spoken_words

pytestmark = pytest.mark.slow


def test_most_words_of_a_native_reader_are_right(store: ModelStore, data_root: Path) -> None:
    (clip,) = [clip for clip in read_manifest(data_root / "manifest.csv") if clip.path.startswith("saa/english65/")]
    samples = resample(load_waveform(data_root / clip.path)).samples[: 8 * 16_000]
    worker = SecondPass(load_open_vocabulary(store))
    desk = SecondPassDesk(worker, patience_s=60.0)
    assert desk.hand_in(ClosedTurn(turn_id=0, channel=0, start_s=0.0, samples=samples))
    ((hearing,), num_missing) = desk.collect(wait=True)
    worker.close()
    heard = [spoken_words(word.text) for word in hearing.words or ()]
    said = spoken_words(clip.text)[: len(heard)]
    assert num_missing == 0
    assert len(heard) > 15
    assert sum([word] in heard for word in said) >= 0.8 * len(said)
