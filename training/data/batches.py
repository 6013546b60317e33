"""Mixtures as the transcriber is trained on them: drawn, rendered, turned into features and targets, put in batches.

    batches = MixtureBatches(examples, batch=8, world_size=2, rank=0)
    for batch in batches: ...
    batches.position  # keep it; MixtureBatches(.., position=kept) goes on with the very next batch

Mixture n of the run has a seed of its own, whoever renders it. Those of eight steps are put in order of length, so
that little is padded, and each step takes a stretch of them: rank r of w its mixtures r, r + w, .. So two ranks with
batches of b see in each step what one process with batches of 2 b sees.
Letters: B mixtures, C = 2 channels, T mel frames (10 ms), T' encoder frames (40 ms), M mels, U tokens, K cohorts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.models.separator import SILENCE
from svc.types import FloatArray
from training.data.cohort_vectors import NO_COHORTS, CohortVectors
from training.data.mixture_recipe import MixtureRecipe
from training.data.rendering import Mixture, Sounds, render
from training.data.targets import ChannelTargets, TargetConfig, WordEncoder, channel_targets
from training.losses.auxiliary import NO_LABEL

SORTED_STEPS = 8
# Of a batch, what has no channels.
MIXTURE_PARTS = ("mels", "mel_lengths")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingExample:
    """(T, M) log mels of a mixture, (C, T, M) of its channels (or (C, 0, M), if nobody asked for them), T a multiple
    of the stride, both targets, and the cohorts told of the channels' talkers (C, K).
    """

    recipe: MixtureRecipe
    mels: FloatArray
    source_mels: FloatArray
    targets: tuple[ChannelTargets, ...]
    cohorts: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Batch:
    """Examples padded to the longest: mels with silence, token frames with 0, frame labels with NO_LABEL."""

    mels: Tensor  # (B, T, M)
    mel_lengths: Tensor  # (B,)
    source_mels: Tensor  # (B, C, T, M), or T = 0
    targets: Tensor  # (B, C, U) int32
    target_lengths: Tensor  # (B, C) int32
    token_frames: Tensor  # (B, C, U) int32
    activity: Tensor  # (B, C, T')
    frame_labels: Tensor  # (B, C, T') int64
    cohorts: Tensor  # (B, C, K), K = 0 where nothing is told of them

    def first_channel(self) -> "Batch":
        """The same mixtures with C = 1: all there is where nobody is talked over."""
        parts = [part.name for part in fields(self) if part.name not in MIXTURE_PARTS]
        return replace(self, **{name: getattr(self, name)[:, :1].contiguous() for name in parts})

    def channels(self, rows: Tensor) -> "Batch":
        """Some channels, (R,) indices into B * C, each as a mixture of its own with C = 1."""
        num_channels = self.targets.shape[1]
        parts = [part.name for part in fields(self) if part.name not in MIXTURE_PARTS]
        chosen = {name: getattr(self, name).flatten(0, 1)[rows][:, None] for name in parts}
        mixtures = {name: getattr(self, name)[rows // num_channels] for name in MIXTURE_PARTS}
        return Batch(**chosen, **mixtures)

    def to(self, device: torch.device) -> "Batch":
        """On another device."""
        return Batch(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})


def make_example(
    mixture: Mixture,
    filterbank: Filterbank,
    units: WordEncoder,
    config: TargetConfig,
    *,
    cohorts: CohortVectors = NO_COHORTS,
) -> TrainingExample:
    """Features by the front end the service listens with; the last frames short of a stride are left out."""
    num_frames = filterbank.config.num_frames(len(mixture.samples)) // config.stride_frames
    kept = slice(num_frames * config.stride_frames)
    return TrainingExample(
        recipe=mixture.recipe,
        mels=filterbank(mixture.samples)[kept],
        source_mels=np.stack([filterbank(source)[kept] for source in mixture.sources]),
        targets=channel_targets(mixture.recipe, units, num_frames=num_frames, config=config),
        cohorts=cohorts.of(mixture.recipe),
    )


class Simulator(Protocol):
    """Where recipes come from; `training.data.mixtures.MixtureSimulator` is one."""

    def draw(self, seed: int) -> MixtureRecipe:
        """The recipe of this seed."""
        ...


class MixtureExamples(Dataset[TrainingExample]):
    """Example n of an endless run, made when it is asked for; picklable, so that worker processes can make them.

    Of `fixed_mixtures` there are no more than that: each comes once before any comes again, every time in a new order.
    Without sources, which nothing but the loss of separation hears, making one takes about half the time.
    """

    def __init__(
        self,
        simulator: Simulator,
        sounds: Sounds,
        units: WordEncoder,
        *,
        config: TargetConfig | None = None,
        seed: int = 0,
        fixed_mixtures: int = 0,
        cohorts: CohortVectors = NO_COHORTS,
        with_sources: bool = True,
    ) -> None:
        self.simulator = simulator
        self.with_sources = with_sources
        self.cohorts = cohorts
        self.sounds = sounds
        self.units = units
        self.config = config or TargetConfig()
        self.seed = seed
        self.fixed_mixtures = fixed_mixtures
        self.filterbank = Filterbank(FilterbankConfig())

    def __getitem__(self, index: int) -> TrainingExample:
        mixture = render(self.recipe(index), self.sounds, with_sources=self.with_sources)
        return make_example(mixture, self.filterbank, self.units, self.config, cohorts=self.cohorts)

    def recipe(self, index: int) -> MixtureRecipe:
        """Of mixture `index`; half a millisecond."""
        return self.simulator.draw((self.seed << 40) + self._number(index))

    def _number(self, index: int) -> int:
        """Of the mixture that comes at `index`."""
        if not self.fixed_mixtures:
            return index
        round_number, place = divmod(index, self.fixed_mixtures)
        return int(np.random.default_rng([self.seed, round_number]).permutation(self.fixed_mixtures)[place])


class MixtureBatches:
    """An endless iterator over batches of one rank; `workers` processes render ahead, in order."""

    def __init__(
        self,
        examples: MixtureExamples,
        *,
        batch: int,
        rank: int = 0,
        world_size: int = 1,
        position: int = 0,
        workers: int = 0,
    ) -> None:
        if batch < 1 or not 0 <= rank < world_size or position < 0:
            raise ValueError(f"need a mixture per batch, a rank of the world and a position, got {batch=} {rank=}")
        self.batch = batch
        self.rank = rank
        self.world_size = world_size
        self.position = position
        self._examples = examples
        self._workers = workers

    def __iter__(self) -> Iterator[Batch]:
        loader = DataLoader(
            self._examples,
            batch_sampler=_Schedule(self._examples, self.batch, self.rank, self.world_size, self.position),
            collate_fn=collate,
            num_workers=self._workers,
            # The loader draws from it once: the caller's own random state must not depend on who reads the data.
            generator=torch.Generator(),
        )
        for made in loader:
            # Counted when handed out: what was rendered ahead and never used is rendered again.
            self.position += 1
            yield made


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Which mixtures make each batch of a rank, without end."""

    examples: MixtureExamples
    batch: int
    rank: int
    world_size: int
    first_step: int

    def __iter__(self) -> Iterator[list[int]]:
        for window in count(self.first_step // SORTED_STEPS):
            skipped = max(0, self.first_step - window * SORTED_STEPS)
            yield from self._window(window)[skipped:]

    def _window(self, window: int) -> list[list[int]]:
        """The batches of SORTED_STEPS steps, each of like lengths, the steps in random order."""
        whole = self.batch * self.world_size
        indices = range(window * SORTED_STEPS * whole, (window + 1) * SORTED_STEPS * whole)
        by_length = sorted(indices, key=lambda index: (self.examples.recipe(index).duration_s, index))
        steps = [by_length[start : start + whole] for start in range(0, len(by_length), whole)]
        order = np.random.default_rng([self.examples.seed, window]).permutation(SORTED_STEPS)
        return [steps[step][self.rank :: self.world_size] for step in order]


def collate(examples: Sequence[TrainingExample]) -> Batch:
    """At least one example -> a batch."""
    channels = [target for example in examples for target in example.targets]  # B * C
    return Batch(
        mels=_padded([example.mels for example in examples], SILENCE),
        mel_lengths=torch.tensor([len(example.mels) for example in examples]),
        source_mels=_by_channel(
            _padded([source for example in examples for source in example.source_mels], SILENCE), len(examples)
        ),
        targets=_by_channel(_padded([target.tokens for target in channels], 0), len(examples)),
        target_lengths=torch.tensor([len(target.tokens) for target in channels], dtype=torch.int32).view(
            len(examples), -1
        ),
        token_frames=_by_channel(_padded([target.frames for target in channels], 0), len(examples)),
        activity=_by_channel(_padded([target.activity for target in channels], 0), len(examples)),
        frame_labels=_by_channel(_padded([target.labels for target in channels], NO_LABEL), len(examples)).long(),
        cohorts=torch.from_numpy(np.stack([example.cohorts for example in examples])),
    )


def _padded(arrays: Sequence[np.ndarray], value: float) -> Tensor:
    """Arrays (L, ..) of one type -> (len(arrays), longest L, ..)."""
    longest = max(len(array) for array in arrays)
    padded = np.full((len(arrays), longest, *arrays[0].shape[1:]), value, arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(padded)


def _by_channel(stacked: Tensor, num_examples: int) -> Tensor:
    """(B * C, ..) -> (B, C, ..)."""
    return stacked.view(num_examples, len(stacked) // num_examples, *stacked.shape[1:])
