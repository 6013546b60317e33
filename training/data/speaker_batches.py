"""Batches a verifier is trained on: N talkers by M utterances, as features, or as what a frozen network made of them.

    examples = SpeakerFeatures(speakers, sounds, config, seed=0)
    for batch in speaker_batches(examples, schedule, world=world, first_step=0, workers=2): ...

Rank r of w gets the talkers r N / w to (r + 1) N / w of each step's N, so the ranks' batches joined in order are the
batch of one process.
Letters: N talkers, M utterances of each, T frames, F features of a frame, W width of what a frozen network made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import count
from math import inf
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.typed_config import check_at_least, check_range
from svc.types import FloatArray
from training.data.rendering import Sounds
from training.data.speaker_augmentation import AugmentationConfig, augmented, draw_augmentation
from training.data.speaker_schedule import IntArray, SpeakerSchedule
from training.data.training_speakers import Cut, TrainingSpeaker, draw_cuts, read_cut
from training.distributed import World


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerExample:
    """(M, T, F) or (M, W) inputs of one talker, the talker's number, and (M,) groups."""

    inputs: FloatArray
    speaker: int
    groups: IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpeakerBatch:
    """Talkers of one batch, none twice."""

    inputs: Tensor  # (N * M, T, F) or (N * M, W), a talker's utterances together
    speakers: Tensor  # (N,)
    groups: Tensor  # (N, M), -1 = unknown

    def to(self, device: torch.device) -> "SpeakerBatch":
        """On another device."""
        return SpeakerBatch(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})


class SpeakerExamples(Protocol):
    """What talker `place[1]` says in step `place[0]`, always the same. Picklable, for worker processes."""

    def __getitem__(self, place: tuple[int, int]) -> SpeakerExample: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConfig:
    """How utterances are cut. All of a step are equally long, drawn from `duration_s`."""

    utterances: int = 2
    duration_s: tuple[float, float] = (2.0, 3.0)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        check_at_least(1, self, "utterances")
        check_range(0.1, inf, self, "duration_s")


class SpeakerFeatures(Dataset[SpeakerExample]):
    """Log mels without their mean, as the service gives them to its embedder, of cuts augmented each by itself."""

    def __init__(self, speakers: Sequence[TrainingSpeaker], sounds: Sounds, config: CutConfig, *, seed: int) -> None:
        self.speakers = speakers
        self.sounds = sounds
        self.config = config
        self.seed = seed
        self.filterbank = Filterbank(FilterbankConfig())
        self.noises = [(name, noise.duration_s) for name, noise in sounds.noises.items()]

    def __getitem__(self, place: tuple[int, int]) -> SpeakerExample:
        step, number = place
        speaker, random = self.speakers[number], np.random.default_rng([self.seed, step, number])
        cuts = self.cuts(place)
        features = [self._features(cut, speaker.speed, random) for cut in cuts]
        return SpeakerExample(np.stack(features), number, np.array([cut.session.group for cut in cuts]))

    def cuts(self, place: tuple[int, int]) -> tuple[Cut, ...]:
        """Where the talker's utterances of this step come from."""
        step, number = place
        shortest_s, longest_s = self.config.duration_s
        drawn_s = np.random.default_rng([self.seed, step]).uniform(shortest_s, longest_s)
        # In steps of a tenth: a network compiled or planned anew for every length would do little else.
        duration_s = min(max(round(float(drawn_s), 1), shortest_s), longest_s)
        random = np.random.default_rng([self.seed, step, number, 1])
        return draw_cuts(random, self.speakers[number], self.config.utterances, duration_s=duration_s)

    def _features(self, cut: Cut, speed: float, random: np.random.Generator) -> FloatArray:
        """(T, F)"""
        augmentation = draw_augmentation(random, self.config.augmentation, self.noises)
        samples = augmented(read_cut(cut, self.sounds.speech, speed=speed), augmentation, self.sounds.noises)
        mels = self.filterbank(samples)
        centred: FloatArray = mels - mels.mean(axis=0)
        return centred


class CachedFeatures(Dataset[SpeakerExample]):
    """C cuts of each talker made once, as features or by a frozen network: M of them at a time, across sessions.

    `made` is (S, C, T, F) or (S, C, W); `sessions` and `groups` are (S, C).
    """

    def __init__(self, made: FloatArray, sessions: IntArray, groups: IntArray, *, utterances: int, seed: int) -> None:
        if utterances > made.shape[1]:
            raise ValueError(f"{utterances} utterances of each speaker, but only {made.shape[1]} are cached")
        self.made, self.sessions, self.groups = made, sessions, groups
        self.utterances = utterances
        self.seed = seed

    def __getitem__(self, place: tuple[int, int]) -> SpeakerExample:
        step, number = place
        random = np.random.default_rng([self.seed, step, number])
        chosen = across_sessions(random, self.sessions[number])[: self.utterances]
        return SpeakerExample(np.array(self.made[number, chosen]), number, self.groups[number, chosen])


@dataclass(frozen=True, slots=True)
class SomeSpeakers(Dataset[SpeakerExample]):
    """Those of all talkers that have these numbers, numbered anew."""

    examples: SpeakerExamples
    numbers: Sequence[int]

    def __getitem__(self, place: tuple[int, int]) -> SpeakerExample:
        step, number = place
        return replace(self.examples[step, self.numbers[number]], speaker=number)


def across_sessions(random: np.random.Generator, sessions: IntArray) -> IntArray:
    """(C,) sessions -> (C,) an order of the cuts that takes one of each session, then a second one of each, .."""
    order = random.permutation(len(sessions))
    seen: dict[int, int] = {}
    rounds = []
    for session in sessions[order].tolist():
        rounds.append(seen.get(session, 0))
        seen[session] = rounds[-1] + 1
    return order[np.argsort(rounds, kind="stable")]


def speaker_batches(
    examples: SpeakerExamples, schedule: SpeakerSchedule, *, world: World, first_step: int, workers: int
) -> Iterator[SpeakerBatch]:
    """The batches of this rank from `first_step` on, without end; `workers` processes make them ahead, in order."""
    if schedule.per_batch % world.size:
        raise ValueError(f"{world.size} processes cannot share a batch of {schedule.per_batch} speakers evenly")
    loader: DataLoader[SpeakerExample] = DataLoader(
        cast(Dataset[SpeakerExample], examples),
        batch_sampler=_Places(schedule, world.rank, world.size, first_step),
        collate_fn=collate,
        num_workers=workers,
        # The loader draws from it once: the caller's own random state must not depend on who reads the data.
        generator=torch.Generator(),
    )
    for batch in loader:
        yield batch.to(world.device)


@dataclass(frozen=True, slots=True)
class _Places:
    """Which talkers of which step make each batch of a rank, without end."""

    schedule: SpeakerSchedule
    rank: int
    world_size: int
    first_step: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        share = self.schedule.per_batch // self.world_size
        for step in count(self.first_step):
            mine = self.schedule.speakers(step)[self.rank * share :][:share]
            yield [(step, int(speaker)) for speaker in mine]


def collate(examples: Sequence[SpeakerExample]) -> SpeakerBatch:
    """At least one example -> a batch."""
    return SpeakerBatch(
        inputs=torch.from_numpy(np.concatenate([example.inputs for example in examples])),
        speakers=torch.tensor([example.speaker for example in examples]),
        groups=torch.from_numpy(np.stack([example.groups for example in examples])),
    )
