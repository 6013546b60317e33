"""Recordings read from disk: at their own rate, and what cannot be read is named."""

from pathlib import Path

import pytest

from svc.errors import AudioMissingError
from tests.audio.containers import encoded, tone
from training.data.audio_files import load_waveform


def test_a_file_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(encoded(tone()))
    assert load_waveform(tmp_path / "tone.wav").duration_s == 1.0
    with pytest.raises(AudioMissingError, match=r"none\.wav"):
        load_waveform(tmp_path / "none.wav")


def test_real_recordings_keep_the_rate_they_were_made_at(data_root: Path) -> None:
    for corpus, rate_hz in {"hyke": 8_000, "wuw": 8_000, "saa": 16_000, "libri": 16_000}.items():
        path = next((data_root / corpus).rglob("*.opus"))
        assert load_waveform(path).sample_rate_hz == rate_hz
