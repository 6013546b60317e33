"""Whisper's words with times: known words land where they are said, and what cannot be aligned is refused."""

from pathlib import Path

import numpy as np
import pytest

from svc.audio.resample import resample
from svc.backends.store import ModelStore
from svc.backends.whisper import MODEL_NAME, WINDOW_S, WhisperRecogniser
from svc.errors import ModelUnavailableError
from svc.types import FloatArray, RecognisedWord
from training.data.audio_files import load_waveform
from training.data.manifest import read_manifest
from training.data.spoken_text import spoken_words

WORDS = ("call", "the", "operator")


@pytest.fixture(scope="module")
def recogniser(store: ModelStore) -> WhisperRecogniser:
    return WhisperRecogniser(store.path(MODEL_NAME))


def hiss(duration_s: float) -> FloatArray:
    samples = 0.01 * np.random.default_rng(0).standard_normal(round(16_000 * duration_s))
    return samples.astype(np.float32)


def paragraph(data_root: Path) -> tuple[FloatArray, list[str]]:
    """A native talker's, so that nothing is in doubt."""
    clips = [clip for clip in read_manifest(data_root / "manifest.csv") if clip.path.startswith("saa/english65/")]
    return resample(load_waveform(data_root / clips[0].path)).samples, spoken_words(clips[0].text)


def ordered(words: list[RecognisedWord]) -> bool:
    edges = [edge_s for word in words for edge_s in (word.start_s, word.end_s)]
    return edges == sorted(edges)


def test_a_broken_model_names_its_mend(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(ModelUnavailableError, match=r"equivox models pull whisper-tiny.en --force"):
        WhisperRecogniser(tmp_path / "model.bin")


@pytest.mark.slow
@pytest.mark.parametrize("duration_s", [0.02, 0.5, 3.0, WINDOW_S])
def test_aligned_words_are_those_given_in_order_within_the_sound(
    recogniser: WhisperRecogniser, duration_s: float
) -> None:
    words = recogniser.align(hiss(duration_s), WORDS)
    assert tuple(word.text for word in words) == WORDS
    assert ordered(words)
    assert all(0 <= word.start_s <= word.end_s <= duration_s + 0.02 for word in words)


@pytest.mark.slow
def test_nothing_to_align_gives_nothing_and_too_much_is_refused(recogniser: WhisperRecogniser) -> None:
    assert recogniser.align(hiss(1.0), []) == []
    assert recogniser.align(hiss(0.0), WORDS) == []
    with pytest.raises(ValueError, match="at most 30"):
        recogniser.align(hiss(WINDOW_S + 0.01), WORDS)


@pytest.mark.slow
def test_a_known_paragraph_is_aligned_where_whisper_itself_hears_it(
    recogniser: WhisperRecogniser, data_root: Path
) -> None:
    samples, texts = paragraph(data_root)
    aligned, heard = recogniser.align(samples, texts), recogniser.transcribe(samples)
    assert np.median([word.probability for word in aligned]) > 0.9
    starts_s = {word.text.lower().strip(".,"): word.start_s for word in heard}
    shared = [word for word in aligned if texts.count(word.text) == 1 and word.text in starts_s]
    assert len(shared) > 20
    assert np.median([abs(word.start_s - starts_s[word.text]) for word in shared]) < 0.1


@pytest.mark.slow
def test_an_offset_shifts_the_words_by_as_much(recogniser: WhisperRecogniser, data_root: Path) -> None:
    samples, texts = paragraph(data_root)
    early = recogniser.align(samples, texts)
    late = recogniser.align(np.pad(samples, (16_000, 0)), texts)
    shifts_s = [after.start_s - before.start_s for before, after in zip(early[1:], late[1:], strict=True)]
    assert np.median(shifts_s) == pytest.approx(1.0, abs=0.04)


@pytest.mark.slow
def test_the_paragraph_is_transcribed(recogniser: WhisperRecogniser, data_root: Path) -> None:
    samples, texts = paragraph(data_root)
    heard = recogniser.transcribe(samples)
    assert ordered(heard)
    said = spoken_words(" ".join(word.text for word in heard))
    assert len(set(said) & set(texts)) > 0.9 * len(set(texts))
