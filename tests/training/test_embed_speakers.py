"""Mean voices of talkers, by an embedder that hears pitch alone."""

from pathlib import Path

import numpy as np
import pytest

from svc.errors import InvalidRequestError, TooLittleSpeechError
from svc.types import Band, Voiceprint, Waveform
from tests.training.data.talkers import TonesInMemory, talkers
from training.embed_speakers import Voices, mean_voices, read_voices, write_voices
from training.recognise_utterances import recordings_of

SPOKEN = talkers(3)
RECORDINGS = recordings_of(SPOKEN, {})


def by_pitch(waveform: Waveform) -> Voiceprint:
    """Eight bands of the spectrum."""
    power = np.abs(np.fft.rfft(waveform.samples)[: len(waveform.samples) // 20])
    vector = np.array([band.sum() for band in np.array_split(power, 8)], np.float32)
    vector /= np.linalg.norm(vector)
    return Voiceprint(
        vector=vector,
        model_fingerprint="toy",
        net_speech_s=waveform.duration_s,
        band=Band.WIDE,
        snr_db=0.0,
        clipped_share=0.0,
    )


def test_a_talker_is_nearest_to_what_they_say_themselves() -> None:
    voices = mean_voices(RECORDINGS, TonesInMemory(SPOKEN), by_pitch)
    assert {*voices} == {spoken.speaker for spoken in SPOKEN}
    for recording in RECORDINGS:
        heard = by_pitch(Waveform(recording.samples(TonesInMemory(SPOKEN)), 16_000)).vector
        assert max(voices, key=lambda who: float(voices[who] @ heard)) == recording.utterances[0].speaker
    assert all(np.linalg.norm(voice) == pytest.approx(1) for voice in voices.values())


def test_who_says_too_little_has_no_voice() -> None:
    of_t0 = [recording for recording in RECORDINGS if recording.utterances[0].speaker == "t0"]
    unheard = {recording.samples(TonesInMemory(SPOKEN)).tobytes() for recording in of_t0}

    def deaf_to_t0(waveform: Waveform) -> Voiceprint:
        if waveform.samples.tobytes() in unheard:
            raise TooLittleSpeechError("nothing heard")
        return by_pitch(waveform)

    assert {*mean_voices(RECORDINGS, TonesInMemory(SPOKEN), deaf_to_t0)} == {"t1", "t2"}


def test_where_nobody_says_enough_there_are_no_voices_and_a_remedy() -> None:
    def deaf(waveform: Waveform) -> Voiceprint:
        raise TooLittleSpeechError("nothing heard")

    with pytest.raises(InvalidRequestError, match="no talker has enough speech for a voice; raise --most-s"):
        mean_voices(RECORDINGS, TonesInMemory(SPOKEN), deaf)


@pytest.mark.parametrize("damage", ["a cut", "another kind of file", "an empty file"])
def test_a_file_that_holds_no_voices_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "voices.npz"
    write_voices(path, Voices({"a": np.ones(2, np.float32)}, ""))
    if damage == "another kind of file":
        with path.open("wb") as file:
            np.save(file, np.ones(2))
    else:
        path.write_bytes(path.read_bytes()[: 60 if damage == "a cut" else 0])
    with pytest.raises(InvalidRequestError, match=r"voices\.npz: no voices of speakers"):
        read_voices(path)


def test_voices_are_kept(tmp_path: Path) -> None:
    first, second = np.eye(2, dtype=np.float32)
    write_voices(tmp_path / "voices.npz", Voices({"b": first, "a": second}, "e" * 16))
    read = read_voices(tmp_path / "voices.npz")
    assert [(who, voice.tolist()) for who, voice in read.of.items()] == [("b", [1.0, 0.0]), ("a", [0.0, 1.0])]
    assert read.embedder == "e" * 16
    with pytest.raises(InvalidRequestError, match="no voices of speakers"):
        read_voices(tmp_path / "other.npz")
