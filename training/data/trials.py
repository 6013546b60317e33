"""Seeded trial lists over the manifest, one per set: `python -m training.data.trials SET --seed 0 --out T.csv`.

Every nontarget trial is of two people of the same recorded sex; people whose sex is unknown are left out. Targets are
capped per speaker and nontargets per pair of speakers, so that someone who calls often weighs like anyone else.
No audio is written unless --audio-out is given: sides are segments (training.data.segments).
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np
import soundfile

from svc.errors import InvalidRequestError
from training.command_line import add_root, file_to_write, from_zero, mistakes_told
from training.data.augment import draw_degradation
from training.data.cuts import speech_cuts
from training.data.manifest import SPLITS, TEST, Clip, data_root, noises_for, read_manifest
from training.data.segments import Piece, Segment, SegmentReader, parse_segment
from training.data.trial_list import Trial, TrialList, collect_trials, write_trials

TELEPHONE_CHANNELS = {"telephone", "landlinephone", "cellphone", "speakerphone"}
# Of one recording that is cut, and of one talker whose recordings are joined.
MAX_SIDES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A segment and whose it is; `part` names what two sides of one trial may not share (recording or call)."""

    text: str
    speaker: str
    part: str
    sex: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What a set is made from: the clips of one split, where they lie, and the seed of every choice."""

    clips: Sequence[Clip]
    noises: Sequence[Clip]
    reader: SegmentReader
    seed: int

    def random_for(self, text: str) -> np.random.Generator:
        """A generator of its own for each thing chosen about, so that no choice moves another."""
        return np.random.default_rng([self.seed, crc32(text.encode())])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSet:
    """How a list is made: its sides, and how many of their pairs are kept."""

    corpus: str
    sides: Callable[[Corpus], list[Side]]
    targets_per_speaker: int
    nontargets_per_pair: int


Pair = tuple[Side, Side]
Draw = Callable[[Sequence[Pair], int], Iterator[Trial]]
"""Trials of so many of these pairs at the most."""


class PairLimits(Protocol):
    """How many trials at the most."""

    @property
    def targets_per_speaker(self) -> int: ...

    @property
    def nontargets_per_pair(self) -> int: ...


def call_sides(corpus: Corpus, *, across_calls: bool) -> list[Side]:
    """`wuw`: each free sentence (_006 .. _010) alone, and the five keywords (_001 .. _005) of a call joined."""
    keywords: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    sides = []
    for clip in sorted(corpus.clips, key=lambda clip: clip.path):
        if int(Path(clip.path).stem.rpartition("_")[2]) <= 5:
            keywords[clip.speaker, clip.session].append(clip)
        else:
            sides.append(_side([clip], part=clip.session if across_calls else clip.path))
    joined = [_side(clips, part=clips[0].session if across_calls else clips[0].path) for clips in keywords.values()]
    return sides + joined


def clip_sides(corpus: Corpus, *, degraded: bool = False) -> list[Side]:
    """Each recording whole."""
    sides = [_side([clip], part=clip.path) for clip in corpus.clips]
    return [_degraded(side, corpus) for side in sides] if degraded else sides


def cut_sides(corpus: Corpus, *, length_s: float, degraded: bool) -> list[Side]:
    """Stretches of speech that do not overlap; degraded ones each by a recipe of its own, from the split's noises."""
    sides = []
    for clip in corpus.clips:
        recording = corpus.reader.read(parse_segment(clip.path))
        for span in speech_cuts(recording, length_s, MAX_SIDES, corpus.random_for(clip.path)):
            side = side_of(clip, Segment((Piece(clip.path, span),)), part=f"{clip.path} {span.start_s}")
            sides.append(_degraded(side, corpus) if degraded else side)
    return sides


def joined_sides(corpus: Corpus, *, recordings: int) -> list[Side]:
    """So many short recordings of a talker one after the other, drawn without repeating any; each side degraded."""
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(corpus.clips, key=lambda clip: clip.path):
        by_speaker[clip.speaker].append(clip)
    sides = []
    for speaker, clips in by_speaker.items():
        drawn = corpus.random_for(speaker).permutation(len(clips))
        count = min(MAX_SIDES, len(clips) // recordings)
        for chosen in drawn[: count * recordings].reshape(count, recordings):
            side = _side([clips[number] for number in chosen], part=clips[chosen[0]].path)
            sides.append(_degraded(side, corpus))
    return sides


def _degraded(side: Side, corpus: Corpus) -> Side:
    recipe = draw_degradation(corpus.random_for(side.text), corpus.noises)
    text = str(Segment(parse_segment(side.text).pieces, recipe))
    narrow = recipe.telephone or side.channel in TELEPHONE_CHANNELS
    return replace(side, text=text, channel="telephone" if narrow else "wide")


def side_of(clip: Clip, segment: Segment, *, part: str) -> Side:
    """What a talker says in a segment of this clip."""
    return Side(text=str(segment), speaker=clip.speaker, part=part, sex=clip.sex, channel=clip.channel)


def _side(clips: Sequence[Clip], *, part: str) -> Side:
    return side_of(clips[0], Segment(tuple(Piece(clip.path) for clip in clips)), part=part)


def _cut_sets() -> Iterator[tuple[str, TrialSet]]:
    for corpus, length_s, degraded in product(("saa", "libri"), (1, 2, 3, 5, 8), (False, True)):
        yield (
            f"{corpus}-{length_s}s-{'degraded' if degraded else 'clean'}",
            TrialSet(
                corpus=corpus,
                sides=partial(cut_sides, length_s=length_s, degraded=degraded),
                targets_per_speaker=15,
                nontargets_per_pair=4,
            ),
        )


HYKE = TrialSet(corpus="hyke", sides=clip_sides, targets_per_speaker=10, nontargets_per_pair=25)
SETS: dict[str, TrialSet] = {
    "wuw-cross-session": TrialSet(
        corpus="wuw",
        sides=partial(call_sides, across_calls=True),
        targets_per_speaker=36,
        nontargets_per_pair=36,
    ),
    "wuw-same-session": TrialSet(
        corpus="wuw",
        sides=partial(call_sides, across_calls=False),
        targets_per_speaker=15,
        nontargets_per_pair=4,
    ),
    "hyke": HYKE,
    "hyke-degraded": replace(HYKE, sides=partial(clip_sides, degraded=True)),
    "azdigits-degraded": TrialSet(
        corpus="azdigits",
        sides=partial(joined_sides, recordings=3),
        targets_per_speaker=15,
        nontargets_per_pair=4,
    ),
    **dict(_cut_sets()),
}
EVALUATED = ("wuw-cross-session", "hyke", "saa-2s-clean", "saa-3s-clean", "saa-2s-degraded", "saa-3s-degraded")


def make_trials(name: str, *, seed: int = 0, root: Path | None = None) -> TrialList:
    """The list of a set's test talkers, ready to score. The same arguments and data give the same trials."""
    trials = draw_trials(name, seed=seed, root=root)
    return collect_trials((f"{name} {TEST} trial {number}", trial) for number, trial in enumerate(trials))


def draw_trials(
    name: str,
    *,
    split: str = TEST,
    seed: int = 0,
    root: Path | None = None,
    talkers: frozenset[str] | None = None,
) -> list[Trial]:
    """As make_trials, as rows, of any split; `talkers` of any in place of the split's own, in its noises.

    Raises InvalidRequestError for an unknown set, or one that the talkers cannot fill.
    """
    if name not in SETS:
        raise InvalidRequestError(f"no trial set {name!r}; there are {', '.join(SETS)}", field="set")
    if split not in SPLITS:
        raise InvalidRequestError(f"no split {split!r}; there are {', '.join(SPLITS)}", field="split")
    chosen = SETS[name]
    folder = root or data_root()
    clips = read_manifest(folder / "manifest.csv")
    corpus = Corpus(
        clips=[
            clip
            for clip in clips
            if clip.corpus == chosen.corpus and clip.sex
            if (clip.split == split if talkers is None else clip.speaker in talkers)
        ],
        noises=noises_for(clips, split),
        reader=SegmentReader(folder),
        seed=seed,
    )
    trials = list(
        paired(
            chosen.sides(corpus),
            chosen,
            fair=lambda one, other: one.part != other.part,
            draw=partial(_some, random=np.random.default_rng(seed)),
        )
    )
    if len({trial.target for trial in trials}) < 2:
        raise InvalidRequestError(f"split {split} has no target or no nontarget trials for {name}", field="split")
    return trials


def paired(
    sides: Sequence[Side], most: PairLimits, *, fair: Callable[[Side, Side], bool], draw: Draw
) -> Iterator[Trial]:
    """Targets of each speaker in turn, of the `fair` pairs; then nontargets of each two speakers of one sex."""
    by_speaker: dict[str, list[Side]] = defaultdict(list)
    for side in sides:
        by_speaker[side.speaker].append(side)
    for mine in by_speaker.values():
        yield from draw([pair for pair in combinations(mine, 2) if fair(*pair)], most.targets_per_speaker)
    for mine, theirs in combinations(by_speaker.values(), 2):
        if mine[0].sex == theirs[0].sex:
            yield from draw(list(product(mine, theirs)), most.nontargets_per_pair)


def trial_of(enrolment: Side, test: Side, groups: Mapping[str, str]) -> Trial:
    return Trial(
        enrolment=enrolment.text,
        test=test.text,
        target=enrolment.speaker == test.speaker,
        enrolment_speaker=enrolment.speaker,
        test_speaker=test.speaker,
        groups=groups,
    )


def _some(pairs: Sequence[Pair], most: int, random: np.random.Generator) -> Iterator[Trial]:
    chosen = random.permutation(len(pairs))[:most]
    for index, swap in zip(sorted(chosen), random.random(len(chosen)) < 0.5, strict=True):
        enrolment, test = pairs[index][::-1] if swap else pairs[index]
        channels = "/".join(sorted((enrolment.channel, test.channel)))
        yield trial_of(enrolment, test, {"sex": enrolment.sex, "channels": channels})


def _with_audio(trials: Sequence[Trial], reader: SegmentReader, folder: Path) -> list[Trial]:
    """Writes each side as a WAV file and names that in its stead."""
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    for text in sorted({side for trial in trials for side in (trial.enrolment, trial.test)}):
        names[text] = f"{len(names):06d}.wav"
        waveform = reader.read(parse_segment(text))
        soundfile.write(folder / names[text], waveform.samples, waveform.sample_rate_hz, subtype="FLOAT")
    return [replace(trial, enrolment=names[trial.enrolment], test=names[trial.test]) for trial in trials]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--split", default=TEST, choices=SPLITS)
    parser.add_argument("--seed", type=from_zero, default=0)
    add_root(parser)
    parser.add_argument("--out", type=file_to_write, required=True, help="the CSV to write")
    parser.add_argument("--audio-out", type=Path, help="also write every side as a WAV file into this folder")
    chosen = parser.parse_args()
    with mistakes_told():
        trials = draw_trials(chosen.set, split=chosen.split, seed=chosen.seed, root=chosen.root)
        if chosen.audio_out:
            trials = _with_audio(trials, SegmentReader(chosen.root), chosen.audio_out)
        written = write_trials(chosen.out, trials)
    targets = sum(trial.target for trial in trials)
    print(f"{chosen.out}: {written} trials, {targets} target, {written - targets} nontarget")


if __name__ == "__main__":
    main()
