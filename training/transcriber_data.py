"""What a transcriber is trained on: utterances, units, decoded speech, noises and rooms; batches for every stage."""

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from svc.errors import InvalidRequestError
from svc.models.transcriber import Transcriber
from svc.units import Units
from training.data.batches import Batch, MixtureBatches, MixtureExamples, Simulator, TrainingExample
from training.data.cohort_sampling import CohortSampling, CohortSimulator
from training.data.cohort_vectors import NO_COHORTS, CohortVectors
from training.data.manifest import DEV, LEARNT_SPLITS, TRAIN, Clip, noises_at
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.data.rendering import Sounds
from training.data.rooms import RoomBank, RoomConfig
from training.data.speech_store import SpeechStore, load_noises
from training.data.targets import TargetConfig
from training.data.units import UnitEncoder, read_units
from training.data.utterances import Utterance, read_utterances
from training.distributed import World
from training.transcriber_recipe import Stage

# The seeds of stages lie above those of validation.
VALIDATION_SEED, STAGES_SEED = 1 << 16, 1 << 17
# Of a mel, far below that of speech: one in which these mixtures hold nothing would be blown up where others do.
LEAST_DEVIATION = 0.1


def mixture_seed(seed: int, number: int, stage: str) -> int:
    """Of a stage's mixtures. The name is in it, for stages of one training may be runs of their own, each the first:
    no mixture of one is one of another.
    """
    digest = hashlib.sha256(f"{seed} {number} {stage}".encode()).digest()
    return STAGES_SEED + int.from_bytes(digest[:4], "big") % (1 << 22)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPaths:
    """Where training finds things; decoded speech is kept in `cache`.

    `synthesised`: a folder of python -m training.data.synthesise, to train on besides.
    """

    utterances: Path
    units: Path
    root: Path
    cache: Path
    synthesised: Path | None = None

    @classmethod
    def of(cls, options: argparse.Namespace) -> "DataPaths":
        """Of a command with the options of `add_speech` and of training.command_line.add_folders."""
        return cls(utterances=options.utterances, units=options.units, root=options.root, cache=options.cache)


def add_speech(parser: argparse.ArgumentParser, *, units: str = "made by python -m training.data.units") -> None:
    """What to learn from; `units` says which, for the help."""
    parser.add_argument("--utterances", type=Path, required=True, help="made by python -m training.data.align")
    parser.add_argument("--units", type=Path, required=True, help=f"{units}, or an artifact's folder")


def read_synthesised(folder: Path) -> list[Utterance]:
    """The folder's utterances, with paths that hold anywhere.

    Raises InvalidRequestError when one is not of split train: synthetic speech is for nothing but training.
    """
    utterances = read_utterances(folder / "utterances.jsonl")
    if others := [spoken for spoken in utterances if spoken.split != TRAIN]:
        where = f"{others[0].utterance_id} of {folder} is of split {others[0].split!r}"
        raise InvalidRequestError(f"{where}: synthetic speech is trained on only", field="synthesised")
    # A path that is absolute stays what it is when it is joined to the folder of the data.
    return [replace(spoken, path=str((folder / spoken.path).absolute())) for spoken in utterances]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TranscriberData:
    """Speech of the train and dev talkers by split, and how stages draw mixtures from it."""

    units: UnitEncoder
    utterances: Mapping[str, Sequence[Utterance]]
    sounds: Sounds
    noises: Sequence[Clip] = ()
    seed: int = 0
    workers: int = 0
    turn_tokens: bool = True
    # Whom training draws from, other than everybody alike.
    sampling: CohortSampling | None = None
    # What the encoder is told of talkers.
    cohorts: CohortVectors = NO_COHORTS
    # What mean and deviation of the mels are taken from.
    statistics_mixtures: int = 32

    @classmethod
    def open(cls, paths: DataPaths, *, seed: int, workers: int, turn_tokens: bool = True) -> "TranscriberData":
        """Raises InvalidRequestError when a file is missing, broken or has nothing to train on."""
        units, everything = read_units(paths.units), read_utterances(paths.utterances)
        if paths.synthesised:
            everything += read_synthesised(paths.synthesised)
        by_split = {split: [each for each in everything if each.split == split] for split in LEARNT_SPLITS}
        if not by_split[TRAIN]:
            raise InvalidRequestError(f"no utterance of split {TRAIN!r} in {paths.utterances}", field="utterances")
        noises = noises_at(paths.root, TRAIN)
        store = SpeechStore.open(by_split[TRAIN] + by_split[DEV], root=paths.root, folder=paths.cache)
        return cls(
            units=units,
            utterances=by_split,
            sounds=Sounds(store, load_noises(noises, paths.root), RoomBank.open(paths.cache, RoomConfig())),
            noises=noises,
            seed=seed,
            workers=workers,
            turn_tokens=turn_tokens,
        )

    @property
    def num_tokens(self) -> int:
        return len(self.units.units)

    @property
    def runtime_units(self) -> Units:
        return self.units.units

    def passed_over(self, stages: Sequence[Stage]) -> Iterator[str]:
        """A line for each stage with domains nobody was heard in, for a name may be misspelt, without its noise, or
        without a dev talker.
        """
        there = {spoken.domain for spoken in self.utterances[TRAIN]}
        for stage in stages:
            if missing := sorted({*stage.mixtures.domains} - there):
                names = f"{', '.join(missing)}; there are {', '.join(sorted(there))}"
                yield f"stage {stage.name} passes over domains of which there is no train utterance: {names}"
            if stage.mixtures.noise_share and not self.noises:
                yield f"stage {stage.name} has no noise: the folder of the speech has no manifest.csv with any"
            if stage.learns_words and not self.hears_dev(stage.mixtures):
                yield f"stage {stage.name} is not validated: there is no dev utterance of its domains"

    def hears_dev(self, mixtures: MixtureConfig) -> bool:
        """Whether such mixtures can be drawn of dev talkers."""
        there = {spoken.domain for spoken in self.utterances.get(DEV, ()) if spoken.words}
        weights = zip(mixtures.domains, mixtures.domain_weights, strict=True)
        return any(weight > 0 and domain in there for domain, weight in weights)

    def batches(self, stage: Stage, number: int, *, first_step: int, world: World) -> Iterator[Batch]:
        """The rest of a stage, this rank's share of every batch. Raises ValueError when ranks cannot share evenly."""
        if stage.batch % world.size:
            raise ValueError(f"stage {stage.name}: {world.size} processes cannot share a batch of {stage.batch} evenly")
        batches = MixtureBatches(
            self._examples(
                self.training_simulator(stage.mixtures),
                mixture_seed(self.seed, number, stage.name),
                fixed=stage.fixed_mixtures,
                with_sources=stage.losses.separation > 0,
            ),
            batch=stage.batch // world.size,
            rank=world.rank,
            world_size=world.size,
            position=first_step,
            workers=self.workers,
        )
        for batch in islice(batches, stage.steps - first_step):
            yield batch.to(world.device)

    def validation(self, mixtures: MixtureConfig, num_mixtures: int) -> Sequence[TrainingExample]:
        """The same mixtures of dev talkers each time, whatever the stage's number of them; there must be some."""
        examples = self._examples(self._simulator(self.utterances[DEV], mixtures), VALIDATION_SEED)
        return [examples[index] for index in range(num_mixtures)]

    def of_everybody(self, mixtures: MixtureConfig, num_mixtures: int) -> Iterator[TrainingExample]:
        """The same mixtures of all train talkers each time, whomever training draws from."""
        examples = self._examples(self._simulator(self.utterances[TRAIN], mixtures), VALIDATION_SEED + 1)
        return (examples[index] for index in range(num_mixtures))

    def set_statistics(self, model: Transcriber, mixtures: MixtureConfig) -> None:
        """Mean and deviation of each mel, which the separator subtracts and divides by, from some mixtures."""
        examples = self.of_everybody(mixtures, self.statistics_mixtures)
        mels = np.concatenate([example.mels for example in examples])
        model.separator.mean.copy_(torch.from_numpy(mels.mean(axis=0, dtype=np.float64)))
        deviation = np.maximum(mels.std(axis=0, dtype=np.float64), LEAST_DEVIATION)
        model.separator.deviation.copy_(torch.from_numpy(deviation))

    def training_simulator(self, mixtures: MixtureConfig) -> Simulator:
        """Draws what training hears."""
        everybody = self.utterances[TRAIN]
        if self.sampling is None:
            return self._simulator(everybody, mixtures)
        return CohortSimulator(everybody, mixtures, self.sampling, noises=self.noises, rooms=self._num_rooms)

    def _simulator(self, utterances: Sequence[Utterance], mixtures: MixtureConfig) -> Simulator:
        return MixtureSimulator(utterances, mixtures, noises=self.noises, rooms=self._num_rooms)

    @property
    def _num_rooms(self) -> int:
        return self.sounds.rooms.rooms if self.sounds.rooms else 0

    def _examples(
        self, simulator: Simulator, seed: int, *, fixed: int = 0, with_sources: bool = False
    ) -> MixtureExamples:
        config = TargetConfig(turn_tokens=self.turn_tokens)
        return MixtureExamples(
            simulator,
            self.sounds,
            self.units,
            config=config,
            seed=seed,
            fixed_mixtures=fixed,
            cohorts=self.cohorts,
            with_sources=with_sources,
        )
