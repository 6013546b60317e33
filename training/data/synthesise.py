"""Makes digits to train on besides those people said: spoken by Debian's synthesisers, words with times.

    sudo apt-get install espeak-ng flite festival festvox-kallpc16k festvox-us-slt-hts
    python -m training.data.synthesise --out FOLDER [--seed 0] [--voices 40] [--strings 20]
    python -m training.train_transcriber RECIPE .. --synthesised FOLDER

Numbers as they are read over the telephone, 3 to 10 digits, in groups of 1 to 4 with pauses between them. Every voice
is a talker of its own, of split train: synthetic speech is never tested on, and training refuses any other split.
Writes FOLDER/utterances.jsonl, as training.data.align does but with paths relative to FOLDER, and the recordings; all
of it or nothing. The same options and packages give the same files.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from rich.console import Console

from svc.errors import InvalidRequestError
from svc.types import MODEL_RATE_HZ, RecognisedWord
from training.command_line import folder_to_write, from_zero, mistakes_told, names_among, positive
from training.data.align import hours_table
from training.data.corpus_readings import Reading
from training.data.manifest import TRAIN, Clip
from training.data.pauses import refined_words, speech_mask
from training.data.phrases import PhraseConfig, phrases_of
from training.data.read_recordings import utterances_of
from training.data.spoken_text import DIGITS
from training.data.synthesisers import SYNTHESISERS, Manner, Spoken, Synthesiser, Voice
from training.data.utterances import Utterance, write_utterances
from training.tables import progress_over

DOMAIN = "digits"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberConfig:
    """What numbers are said and how. Pairs are the ends of a range, both included.

    singly_share: of the numbers, those in which every digit stands alone.
    """

    digits: tuple[int, int] = (3, 10)
    group: tuple[int, int] = (1, 4)
    singly_share: float = 0.2
    # Of every number anew ..
    stretch: tuple[float, float] = (0.8, 1.4)
    # .. and of a voice for good: who is it else?
    pitch: tuple[float, float] = (0.8, 1.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talker:
    """A voice of one of the synthesisers, with the pitch it keeps."""

    synthesiser: str
    voice: Voice
    pitch: float

    @property
    def name(self) -> str:
        return f"{self.synthesiser}:{self.voice.name}"


def draw_number(config: NumberConfig, random: np.random.Generator) -> list[list[str]]:
    """Its digits in groups, as words."""
    left = int(random.integers(*config.digits, endpoint=True))
    longest = 1 if random.random() < config.singly_share else config.group[1]
    groups = []
    while left:
        size = int(random.integers(min(config.group[0], left), min(longest, left), endpoint=True))
        groups.append([DIGITS[digit] for digit in random.integers(len(DIGITS), size=size)])
        left -= size
    return groups


def draw_talkers(
    synthesisers: dict[str, Synthesiser], voices: int, config: NumberConfig, random: np.random.Generator
) -> list[Talker]:
    """So many at most: all those of synthesisers with few voices first, since these are recorded people.

    Raises InvalidRequestError when a synthesiser is not installed.
    """
    offered = {name: synthesiser.voices() for name, synthesiser in synthesisers.items()}
    chosen: list[Talker] = []
    for name, known in sorted(offered.items(), key=lambda found: len(found[1])):
        order = random.permutation(len(known))[: voices - len(chosen)]
        chosen += [
            Talker(synthesiser=name, voice=known[index], pitch=_drawn(config.pitch, random)) for index in sorted(order)
        ]
    return chosen


def synthesise(
    out: Path,
    synthesisers: dict[str, Synthesiser],
    *,
    seed: int = 0,
    voices: int = 40,
    strings: int = 20,
    config: NumberConfig | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[Utterance]:
    """`strings` numbers of each voice. Raises InvalidRequestError when `out` is there, or a synthesiser is not."""
    if out.exists():
        raise InvalidRequestError(f"{out} is there already: choose another folder, or remove it", field="out")
    config, random = config or NumberConfig(), np.random.default_rng(seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        made, utterances = Path(beside, out.name), list[Utterance]()
        for talker in draw_talkers(synthesisers, voices, config, random):
            for number in range(strings):
                utterances += _say(talker, number, synthesisers[talker.synthesiser], made, config, random)
                tick()
        write_utterances(made / "utterances.jsonl", utterances)
        made.rename(out)
    return utterances


def _say(
    talker: Talker,
    number: int,
    synthesiser: Synthesiser,
    folder: Path,
    config: NumberConfig,
    random: np.random.Generator,
) -> list[Utterance]:
    """One more recording, and its phrases."""
    groups = draw_number(config, random)
    manner = Manner(stretch=_drawn(config.stretch, random), pitch=talker.pitch)
    spoken = synthesiser.speak(groups, talker.voice.name, manner)
    texts = [word for group in groups for word in group]
    # The digits are in the name: what is kept of decoded speech is found again by it.
    name = f"{number:04}-{'-'.join(''.join(str(DIGITS.index(word)) for word in group) for group in groups)}.flac"
    path = Path(talker.synthesiser, talker.voice.name, name)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / path, spoken.samples, MODEL_RATE_HZ)
    return [*utterances_of(_clip(path, talker, spoken, texts), reading_of(spoken, texts), domain=DOMAIN)]


def reading_of(spoken: Spoken, texts: Sequence[str]) -> Reading:
    """As of a recording: phrases between pauses, words freed of the silence around them."""
    mask = speech_mask(spoken.samples)
    spans = refined_words(spoken.edges_s, spoken.samples, mask, lag_s=0.0)
    words = [
        RecognisedWord(text=text, start_s=span.start_s, end_s=span.end_s, probability=1.0)
        for text, span in zip(texts, spans, strict=True)
    ]
    phrases, reasons = phrases_of(words, mask, PhraseConfig())
    return Reading(tuple(phrases), tuple(reasons))


def _clip(path: Path, talker: Talker, spoken: Spoken, texts: Sequence[str]) -> Clip:
    return Clip(
        path=path.as_posix(),
        corpus=talker.synthesiser,
        split=TRAIN,
        speaker=talker.name,
        session="",
        sex=talker.voice.sex,
        country="",
        language="english",
        age=None,
        channel="synthesised",
        sample_rate_hz=MODEL_RATE_HZ,
        duration_s=len(spoken.samples) / MODEL_RATE_HZ,
        text=" ".join(texts),
    )


def _drawn(ends: tuple[float, float], random: np.random.Generator) -> float:
    # Twice as long is as far as half as long.
    return float(np.exp(random.uniform(*np.log(ends))))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder to make, outside the repository")
    listed = names_among(SYNTHESISERS, "synthesiser")
    parser.add_argument("--synthesisers", type=listed, default=",".join(SYNTHESISERS), help="by commas (default all)")
    parser.add_argument("--voices", type=positive, default=40, help="talkers at most (default 40)")
    parser.add_argument("--strings", type=positive, default=20, help="numbers of each talker (default 20)")
    parser.add_argument("--seed", type=from_zero, default=0, help="of everything that is drawn")
    options = parser.parse_args(arguments)
    with mistakes_told(), progress_over(options.voices * options.strings, "speaking") as tick:
        synthesisers = {name: SYNTHESISERS[name]() for name in options.synthesisers}
        utterances = synthesise(
            options.out, synthesisers, seed=options.seed, voices=options.voices, strings=options.strings, tick=tick
        )
    Console().print(hours_table(utterances))


if __name__ == "__main__":
    main()
