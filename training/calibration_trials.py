"""The trials the shipped calibration is fitted on: train and dev talkers, never the test ones, in many conditions.

Each talker's recordings are cut into stretches of mixed length that do not overlap; every other one is degraded by a
recipe of its own, so that any two sides of a trial differ in length, noise, room and band as real ones do.
Nontarget trials are of one sex. Letters: T trials.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from svc.types import Span
from training.data.augment import draw_degradation
from training.data.manifest import LEARNT_SPLITS, TRAIN, noises_for, read_manifest
from training.data.segments import DEGRADE, Piece, Segment, SegmentReader, parse_segment
from training.data.trial_list import Trial, TrialList, collect_trials
from training.data.trials import (
    TELEPHONE_CHANNELS,
    Corpus,
    Pair,
    Side,
    call_sides,
    clip_sides,
    paired,
    side_of,
    trial_of,
)

# A recording shorter than its last cut by more than this gives no such cut.
MIN_CUT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How one corpus gives trials, and how much they weigh together beside the other pools."""

    corpus: str
    sides: Callable[[Corpus], list[Side]]
    targets_per_speaker: int
    nontargets_per_pair: int
    weight: float
    degraded_share: float = 0.5
    # Two plain sides of a talker with one call share line, room and mood, which calls on two days do not.
    both_plain: bool = True


def stretches(corpus: Corpus, *, lengths_s: Sequence[float]) -> list[Side]:
    """Each recording cut into stretches of these lengths in an order of its own, until it ends."""
    sides = []
    for clip in corpus.clips:
        start_s = 0.0
        for length_s in corpus.random_for(clip.path).permutation(lengths_s):
            end_s = round(min(start_s + float(length_s), clip.duration_s - 0.05), 3)
            if end_s - start_s >= MIN_CUT_S:
                segment = Segment((Piece(clip.path, Span(start_s, end_s)),))
                sides.append(side_of(clip, segment, part=f"{clip.path} {start_s}"))
            start_s = end_s
    return sides


POOLS: dict[str, Pool] = {
    "saa": Pool(
        corpus="saa",
        sides=partial(stretches, lengths_s=(1, 2, 2, 3, 3, 5, 8)),
        targets_per_speaker=21,
        nontargets_per_pair=1,
        weight=1.0,
    ),
    "libri": Pool(
        corpus="libri",
        sides=partial(stretches, lengths_s=(1, 2, 3, 6)),
        targets_per_speaker=6,
        nontargets_per_pair=1,
        weight=0.5,
    ),
    "wuw": Pool(
        corpus="wuw",
        sides=partial(call_sides, across_calls=False),
        targets_per_speaker=60,
        nontargets_per_pair=4,
        weight=1.0,
        both_plain=False,
    ),
    "hyke": Pool(
        corpus="hyke",
        sides=clip_sides,
        targets_per_speaker=10,
        nontargets_per_pair=6,
        weight=0.5,
        degraded_share=0.0,
    ),
    "hyke-short": Pool(
        corpus="hyke",
        sides=partial(stretches, lengths_s=(2, 3)),
        targets_per_speaker=30,
        nontargets_per_pair=6,
        weight=0.25,
    ),
}


def draw_pool(name: str, *, seed: int, root: Path) -> TrialList:
    """All trials of one pool; group `degraded` says how many of the sides are (0, 1 or 2)."""
    pool = POOLS[name]
    clips = read_manifest(root / "manifest.csv")
    corpus = Corpus(
        clips=[clip for clip in clips if clip.corpus == pool.corpus and clip.split in LEARNT_SPLITS and clip.sex],
        noises=noises_for(clips, TRAIN),
        reader=SegmentReader(root),
        seed=seed,
    )
    sides = [_perhaps_degraded(side, corpus, pool.degraded_share) for side in pool.sides(corpus)]
    trials = paired(
        sides, pool, fair=partial(_fair, pool=pool), draw=partial(_some, random=np.random.default_rng(seed))
    )
    return collect_trials((f"pool {name} trial {number}", trial) for number, trial in enumerate(trials))


def _perhaps_degraded(side: Side, corpus: Corpus, share: float) -> Side:
    random = corpus.random_for(side.text)
    if random.random() >= share:
        return side
    recipe = draw_degradation(random, corpus.noises)
    if side.channel in TELEPHONE_CHANNELS:
        # Noise and room reach a call before the line does; without this the noise would make it wide band.
        recipe = replace(recipe, telephone=True)
    return replace(side, text=str(Segment(parse_segment(side.text).pieces, recipe)))


def _fair(one: Side, other: Side, pool: Pool) -> bool:
    """Whether two sides of one person make a target trial."""
    return one.part != other.part and (pool.both_plain or DEGRADE in one.text + other.text)


def _some(pairs: Sequence[Pair], most: int, random: np.random.Generator) -> Iterator[Trial]:
    for index in sorted(random.permutation(len(pairs))[:most]):
        enrolment, test = pairs[index]
        num_degraded = sum(DEGRADE in side.text for side in (enrolment, test))
        yield trial_of(enrolment, test, {"degraded": str(num_degraded)})
