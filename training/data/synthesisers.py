"""Debian's speech synthesisers, each saying a few digits and where each of them begins: espeak-ng, flite and festival.

All of them run offline; the same calls in the same order give the same samples.
"""

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Protocol

import numpy as np

from svc.audio.resample import resample
from svc.errors import InvalidRequestError
from svc.types import FloatArray, Waveform
from training.data.audio_files import load_waveform

PAUSE = ", "
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A talker of a synthesiser's, by the synthesiser's own name for it."""

    name: str
    sex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How much longer than usual words last, and how much higher than usual the voice is: 1 = as usual."""

    stretch: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """(N,) samples at 16 kHz, and W + 1 edges around W words; pauses may lie on either side of an edge."""

    samples: FloatArray
    edges_s: tuple[float, ...]


class Synthesiser(Protocol):
    """`package` is Debian's; words in one group are said in one breath; between groups it pauses, if it sees fit."""

    package: str

    def voices(self) -> list[Voice]:
        """Raises InvalidRequestError naming the Debian package that is missing."""
        ...

    def speak(self, groups: Sequence[Sequence[str]], voice: str, manner: Manner) -> Spoken: ...


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h; its last member is a union of which the longest is 8 bytes."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class EspeakNg:
    """By its library, which tells the times of words as its command does not. Formants: many voices, all of them odd.

    A voice is an accent and a variant, en-us+f2.
    """

    package = "espeak-ng"
    library = "libespeak-ng.so.1"
    accents = ("en", "en-us", "en-us-nyc", "en-029", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
    variants = (*(f"m{number}" for number in range(1, 9)), *(f"f{number}" for number in range(1, 6)))
    usual_words_per_minute = 175
    # Of 0..99; an octave up or down is farther than that goes.
    usual_pitch, pitch_per_octave = 50, 60
    # Numbers of speak_lib.h.
    end_of_events, word_event = 0, 1
    rate_parameter, pitch_parameter = 1, 3
    synchronous, without_exit, utf8 = 2, 0x8000, 1

    def __init__(self) -> None:
        self._library: Any = None
        self._rate_hz = 0
        self._samples = bytearray()
        # By the word's place in the text.
        self._starts_samples: dict[int, int] = {}
        # The library keeps a pointer to it.
        self._callback = _Callback(self._take)

    def voices(self) -> list[Voice]:
        self._open()
        names = (f"{accent}+{variant}" for accent, variant in product(self.accents, self.variants))
        return [
            Voice(name=name, sex="female" if "+f" in name else "male")
            for name in names
            if self._library.espeak_SetVoiceByName(name.encode()) == 0
        ]

    def speak(self, groups: Sequence[Sequence[str]], voice: str, manner: Manner) -> Spoken:
        library = self._open()
        library.espeak_SetVoiceByName(voice.encode())
        library.espeak_SetParameter(self.rate_parameter, round(self.usual_words_per_minute / manner.stretch), 0)
        pitch = self.usual_pitch + self.pitch_per_octave * float(np.log2(manner.pitch))
        library.espeak_SetParameter(self.pitch_parameter, int(np.clip(round(pitch), 0, 99)), 0)
        text = PAUSE.join(map(" ".join, groups))
        self._samples.clear()
        self._starts_samples.clear()
        library.espeak_Synth(text.encode(), len(text) + 1, 0, 1, 0, self.utf8, None, None)
        samples = np.frombuffer(bytes(self._samples), np.int16).astype(np.float32) / np.float32(1 << 15)
        places = [found.start() for found in re.finditer(r"\w+", text)]
        # The first word begins at nought, of which the library does not always tell.
        starts = [0, *(self._starts_samples[place] for place in places[1:] if place in self._starts_samples)]
        edges_s = [edge / self._rate_hz for edge in (*starts, len(samples))]
        return _checked(Waveform(samples, self._rate_hz), edges_s, groups)

    def _take(self, samples: int | None, num_samples: int, events: Any) -> int:  # noqa: ANN401 - a ctypes pointer
        """Called by the library with every stretch of samples and the events in it; 0 = go on."""
        if samples:
            self._samples += ctypes.string_at(samples, 2 * num_samples)
        index = 0
        while events[index].type != self.end_of_events:
            if events[index].type == self.word_event:
                # Text positions count from 1.
                self._starts_samples[events[index].text_position - 1] = events[index].sample
            index += 1
        return 0

    def _open(self) -> Any:  # noqa: ANN401 - a ctypes library
        if self._library is None:
            try:
                library = ctypes.CDLL(self.library)
            except OSError:
                raise _missing(self.library, self.package) from None
            self._rate_hz = library.espeak_Initialize(self.synchronous, 0, None, self.without_exit)
            if self._rate_hz <= 0:
                raise _missing("the data of espeak-ng", f"{self.package}-data")
            library.espeak_SetSynthCallback(self._callback)
            self._library = library
        return self._library


class Flite:
    """By its command, which prints when each phone ends. Recorded voices, whose pitch stays their own."""

    package = "flite"
    sexes: ClassVar = {"kal16": "male", "awb": "male", "rms": "male", "slt": "female"}
    phones: ClassVar = {
        "zero": 4, "one": 3, "two": 2, "three": 3, "four": 3, "five": 3, "six": 4, "seven": 5, "eight": 2, "nine": 3
    }  # fmt: skip
    pause = "pau"

    def voices(self) -> list[Voice]:
        said = _run(["flite", "-lv"], self.package).split()
        return [Voice(name=name, sex=sex) for name, sex in self.sexes.items() if name in said]

    def speak(self, groups: Sequence[Sequence[str]], voice: str, manner: Manner) -> Spoken:
        text = PAUSE.join(map(" ".join, groups))
        with TemporaryDirectory() as folder:
            wav = Path(folder, "spoken.wav")
            stretch = f"duration_stretch={manner.stretch:.3f}"
            command = ["flite", "-voice", voice, "-psdur", "--setf", stretch, "-t", text, "-o", str(wav)]
            segments = [part.rpartition(":") for part in _run(command, self.package).split()]
            spoken = load_waveform(wav)
        ends_s = [0.0, *(float(end) for phone, _, end in segments if phone != self.pause)]
        last_phones = np.cumsum([0, *(self.phones[word] for group in groups for word in group)])
        if len(ends_s) != last_phones[-1] + 1:
            raise ValueError(f"flite's {voice} says {text!r} in other phones than its words are known by")
        return _checked(spoken, [ends_s[phone] for phone in last_phones], groups)


class Festival:
    """By its interpreter, which saves when each word ends. Recorded voices, whose pitch stays their own."""

    package = "festival"
    # Voice -> its sex and the package it is in.
    known: ClassVar = {
        "kal_diphone": ("male", "festvox-kallpc16k"),
        "cmu_us_slt_arctic_hts": ("female", "festvox-us-slt-hts"),
    }

    def voices(self) -> list[Voice]:
        with TemporaryDirectory() as folder:
            said = self._interpreted("(print (voice.list))", Path(folder))
        found = [Voice(name=name, sex=sex) for name, (sex, _) in self.known.items() if name in said]
        if not found:
            raise _missing("a voice of festival", " ".join(package for _, package in self.known.values()))
        return found

    def speak(self, groups: Sequence[Sequence[str]], voice: str, manner: Manner) -> Spoken:
        text = PAUSE.join(map(" ".join, groups))
        with TemporaryDirectory() as folder:
            wav, words = Path(folder, "spoken.wav"), Path(folder, "words")
            script = (
                f"(voice_{voice}) (Parameter.set 'Duration_Stretch {manner.stretch:.3f})"
                f'(set! said (utt.synth (Utterance Text "{text}")))'
                f'(utt.save.words said "{words}") (utt.save.wave said "{wav}" \'riff)'
            )
            self._interpreted(script, Path(folder))
            ends_s = [float(end) for end in re.findall(r"^\s*([\d.]+)\s+\d+\s+\w+$", words.read_text(), re.MULTILINE)]
            return _checked(load_waveform(wav), [0.0, *ends_s], groups)

    def _interpreted(self, script: str, folder: Path) -> str:
        (folder / "script.scm").write_text(script)
        return _run(["festival", "-b", str(folder / "script.scm")], self.package)


SYNTHESISERS: dict[str, type[Synthesiser]] = {"espeak-ng": EspeakNg, "flite": Flite, "festival": Festival}


def _missing(what: str, packages: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{what} is not installed: apt-get install {packages}, or leave it out of --synthesisers", field="synthesisers"
    )


def _run(command: Sequence[str], package: str) -> str:
    """What it prints. Raises InvalidRequestError when the program is not there or fails."""
    if shutil.which(command[0]) is None:
        raise _missing(command[0], package)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    if done.returncode:
        raise InvalidRequestError(f"{command[0]} failed: {done.stderr.strip()[-200:]}", field="synthesisers")
    return done.stdout


def _checked(waveform: Waveform, edges_s: Iterable[float], groups: Sequence[Sequence[str]]) -> Spoken:
    """Raises ValueError when the synthesiser told of more or fewer words than it was given."""
    edges = tuple(edges_s)
    if len(edges) != 1 + sum(map(len, groups)):
        raise ValueError(f"{len(edges) - 1} words were spoken of {groups}")
    return Spoken(resample(waveform).samples, edges)
