"""The standard corpora in the layouts they are published in, so that figures can be set beside others'.

LibriSpeech gives clips with text, which `training.data.align --librispeech` turns into utterances. LibriSpeechMix,
LibriCSS and AMI give recordings with who said what when, for scoring; only AMI knows when each word was said, the words
of the others are spread evenly over their turn.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import soundfile

from svc.errors import InvalidRequestError
from training.data.manifest import SPLITS, Clip
from training.data.spoken_text import spoken_words
from training.data.transcripts import Transcript, TranscriptTurn, in_order, joined, spread_words

LIBRISPEECH_SEXES = {"M": "male", "F": "female"}
LIBRICSS_COLUMNS = ("start_time", "end_time", "speaker", "utterance_id", "transcription")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribedRecording:
    """A recording of several talkers. The file need not be there: a transcript can be scored without."""

    name: str
    path: Path
    transcript: Transcript


def read_librispeech(root: Path) -> list[Clip]:
    """All clips below `root`, whose folders are SUBSET/SPEAKER/CHAPTER; the split is the subset's first word.

    Raises InvalidRequestError naming file and line.
    """
    sexes = _librispeech_sexes(root / "SPEAKERS.TXT")
    clips = []
    for file in _found(root, "*/*/*/*.trans.txt"):
        subset, speaker, _ = file.parent.relative_to(root).parts
        for line, where in _lines(file):
            name, _, text = line.partition(" ")
            with _naming(where):
                audio = _audio_of(file.parent / name)
                clips.append(_clip(audio, root, subset=subset, speaker=speaker, sex=sexes.get(speaker, ""), text=text))
    return clips


def _clip(audio: Path, root: Path, *, subset: str, speaker: str, sex: str, text: str) -> Clip:
    if not text.strip():
        raise ValueError(f"{audio.stem} has no text")
    about = soundfile.info(audio)
    return Clip(
        path=str(audio.relative_to(root)),
        corpus="librispeech",
        split=_split_of(subset),
        speaker=f"librispeech:{speaker}",
        session="",
        sex=sex,
        country="",
        language="",
        age=None,
        channel="microphone",
        sample_rate_hz=about.samplerate,
        duration_s=about.duration,
        text=text,
    )


def _audio_of(stem: Path) -> Path:
    """LibriSpeech is published as FLAC; its mixtures want WAV, and copies are often Opus."""
    for kind in (".flac", ".wav", ".opus"):
        if (audio := stem.with_name(stem.name + kind)).is_file():
            return audio
    raise ValueError(f"{stem.name} has no audio")


def read_librispeechmix(list_file: Path, data: Path) -> list[TranscribedRecording]:
    """One of LibriSpeechMix' .jsonl lists; its audio lies below `data`. Raises InvalidRequestError naming the line."""
    recordings = []
    for line, where in _lines(list_file):
        with _naming(where):
            recordings.append(_mixture(json.loads(line), data))
    return recordings


def read_libricss(root: Path) -> list[TranscribedRecording]:
    """The sessions of LibriCSS' `for_release` folder, CONDITION/SESSION. Raises InvalidRequestError naming the line."""
    recordings = []
    for file in _found(root, "*/*/transcription/meeting_info.txt"):
        session = file.parents[1]
        (header, where), *lines = _lines(file)
        if tuple(header.split("\t")) != LIBRICSS_COLUMNS:
            raise InvalidRequestError(f"{where}: the columns must be {', '.join(LIBRICSS_COLUMNS)}")
        turns = []
        for line, where in lines:
            with _naming(where):
                turns.append(_libricss_turn(line))
        name = f"{session.parent.name}/{session.name}"
        recordings.append(
            TranscribedRecording(name=name, path=session / "record" / "raw_recording.wav", transcript=in_order(turns))
        )
    return recordings


def read_ami_words(root: Path) -> list[TranscribedRecording]:
    """The meetings of AMI's manual annotations: words/MEETING.SPEAKER.words.xml. The audio is the headset mix.

    Punctuation and noises are left out. Raises InvalidRequestError naming file and element.
    """
    pieces: dict[str, list[TranscriptTurn]] = {}
    for file in _found(root, "words/*.*.words.xml"):
        meeting, speaker, *_ = file.name.split(".")
        pieces.setdefault(meeting, []).extend(_ami_pieces(file, f"{meeting}.{speaker}"))
    return [
        TranscribedRecording(
            name=meeting,
            path=root / "amicorpus" / meeting / "audio" / f"{meeting}.Mix-Headset.wav",
            transcript=in_order(joined(said)),
        )
        for meeting, said in pieces.items()
    ]


def _mixture(fields: dict[str, Any], data: Path) -> TranscribedRecording:
    turns = [
        _spread_turn(str(speaker), str(text), float(delay_s), float(delay_s) + float(duration_s))
        for speaker, text, delay_s, duration_s in zip(
            fields["speakers"], fields["texts"], fields["delays"], fields["durations"], strict=True
        )
    ]
    return TranscribedRecording(
        name=str(fields["id"]), path=data / str(fields["mixed_wav"]), transcript=in_order(turns)
    )


def _libricss_turn(line: str) -> TranscriptTurn:
    start, end, speaker, _, text = line.split("\t")
    return _spread_turn(speaker, text, float(start), float(end))


def _spread_turn(speaker: str, text: str, start_s: float, end_s: float) -> TranscriptTurn:
    if not 0 <= start_s < end_s:
        raise ValueError(f"need 0 <= start < end, got {start_s} and {end_s}")
    words = spread_words(spoken_words(text), start_s, end_s)
    return TranscriptTurn(speaker=speaker, channel=0, start_s=start_s, end_s=end_s, words=words)


def _ami_pieces(file: Path, speaker: str) -> Iterator[TranscriptTurn]:
    """A turn for each word, to be joined. Words without times (there are a few) are left out: nobody knows when."""
    try:
        elements = list(ElementTree.parse(file).getroot())
    except ElementTree.ParseError as error:
        raise InvalidRequestError(f"{file}: {error}") from None
    for number, element in enumerate(elements, 1):
        start, end = element.get("starttime"), element.get("endtime")
        if element.tag != "w" or element.get("punc") == "true" or start is None or end is None:
            continue
        with _naming(f"{file}: element {number}"):
            spoken = spread_words(spoken_words(element.text or ""), float(start), float(end))
        for word in spoken:
            yield TranscriptTurn(speaker=speaker, channel=0, start_s=word.start_s, end_s=word.end_s, words=(word,))


def _librispeech_sexes(file: Path) -> dict[str, str]:
    """Speaker -> sex; the list is not always beside a subset."""
    if not file.is_file():
        return {}
    rows = ([part.strip() for part in line.split("|")] for line, _ in _lines(file) if not line.startswith(";"))
    return {row[0]: LIBRISPEECH_SEXES.get(row[1], "") for row in rows if len(row) > 1}


def _split_of(subset: str) -> str:
    split = subset.partition("-")[0]
    if split not in SPLITS:
        raise ValueError(f"subset {subset!r} begins with none of {', '.join(SPLITS)}")
    return split


def _found(root: Path, pattern: str) -> list[Path]:
    files = sorted(root.glob(pattern))
    if not files:
        raise InvalidRequestError(f"no {pattern} below {root}")
    return files


def _lines(file: Path) -> list[tuple[str, str]]:
    """Lines that are not blank, each with where it stands."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"cannot read {file}: {error}") from None
    return [(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """What goes wrong inside is the fault of that line."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, soundfile.SoundFileError) as error:
        raise InvalidRequestError(f"{where}: {type(error).__name__}: {error}") from None
