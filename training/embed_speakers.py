"""The mean voice of each talker of some utterances: `python -m training.embed_speakers ..`.

    python -m training.embed_speakers --utterances utterances.jsonl --split test --domains phrases telephone \\
        --most-s 12 --out voices.npz

What cohorts by voice are found with. Recordings are those of training.recognise_utterances with the same options, so
that a talker's voice and words come from the same speech. Letters: S speakers, D embedding width.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from svc.application import Application
from svc.config import load_settings
from svc.errors import InvalidRequestError, TooLittleSpeechError
from svc.scoring.cosine import mean_direction
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform
from svc.whole_file import replacing
from training.command_line import file_to_write, mistakes_told
from training.data.rendering import SpeechReader
from training.embeddings import Embed
from training.recognise_utterances import TalkerRecording, add_speech_options, material
from training.tables import progress_over


def mean_voices(
    recordings: Sequence[TalkerRecording],
    speech: SpeechReader,
    embed: Embed,
    *,
    on_recording: Callable[[], None] = lambda: None,
) -> dict[str, FloatArray]:
    """Speaker -> (D,) unit mean of their recordings' voices; who never speaks enough for one is not there.

    Raises InvalidRequestError where nobody does.
    """
    voices = {}
    ordered = sorted(recordings, key=lambda recording: recording.utterances[0].speaker)
    for speaker, of_speaker in groupby(ordered, key=lambda recording: recording.utterances[0].speaker):
        heard = []
        for recording in of_speaker:
            try:
                heard.append(embed(Waveform(recording.samples(speech), MODEL_RATE_HZ)).vector)
            except TooLittleSpeechError:
                continue
            finally:
                on_recording()
        if heard:
            voices[speaker] = mean_direction(np.stack(heard))
    if not voices:
        message = "no talker has enough speech for a voice; raise --most-s or give longer recordings"
        raise InvalidRequestError(message, field="most_s")
    return voices


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """Speaker -> (D,) unit mean, and the fingerprint of what embedded them; empty = not known."""

    of: Mapping[str, FloatArray]
    embedder: str = ""


def write_voices(path: Path, voices: Voices) -> None:
    """Beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("wb") as file:
        names, vectors = np.array([*voices.of], dtype=str), np.stack([*voices.of.values()])
        np.savez(file, speakers=names, vectors=vectors, embedder=np.array(voices.embedder))


def read_voices(path: Path) -> Voices:
    """The inverse of write_voices. Raises InvalidRequestError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            vectors = np.asarray(saved["vectors"], np.float32)
            embedder = str(saved["embedder"]) if "embedder" in saved else ""
            return Voices(dict(zip(map(str, saved["speakers"]), vectors, strict=True)), embedder)
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        message = f"{path}: no voices of speakers, as python -m training.embed_speakers makes them: {error}"
        raise InvalidRequestError(message, field="voices") from error


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told(), closing(Application(load_settings(options.config))) as application:
        recordings, speech = material(options)
        extractor = application.extractor
        with progress_over(len(recordings), "recordings") as on_recording:
            voices = mean_voices(
                recordings,
                speech,
                lambda waveform: extractor.extract(waveform).voiceprint,
                on_recording=on_recording,
            )
        write_voices(options.out, Voices(voices, application.embedder.fingerprint))
    print(f"{len(voices)} voices in {options.out}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_speech_options(parser)
    parser.add_argument("--out", type=file_to_write, required=True, help="voices.npz")
    parser.add_argument("--config", type=Path, help="the server's TOML configuration: the embedder")
    return parser


if __name__ == "__main__":
    main()
