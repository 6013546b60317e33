"""What a verifier is trained and validated on: talkers by split, their groups, and batches of them.

Letters: S talkers, V cuts of each dev talker, T frames, F mels, W pooled statistics.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from svc.errors import InvalidRequestError
from svc.types import FloatArray
from training.data.audio_files import file_ages
from training.data.cached_array import cached_array
from training.data.folds import Fold
from training.data.manifest import DEV, LEARNT_SPLITS, TRAIN, Clip, noises_for, read_with_columns
from training.data.rendering import Sounds
from training.data.speaker_batches import (
    CachedFeatures,
    SomeSpeakers,
    SpeakerBatch,
    SpeakerExamples,
    SpeakerFeatures,
    speaker_batches,
)
from training.data.speaker_schedule import BalancedSchedule, IntArray, SpeakerSchedule
from training.data.speech_store import SpeechStore, load_noises
from training.data.training_speakers import TrainingSpeaker, training_speakers, whole_clip
from training.distributed import World
from training.embedder_recipe import EmbedderRecipe, SpeakerDataConfig
from training.fairness.weighting import UNKNOWN
from training.trained_embedder import TrainedEmbedder

# Cuts of dev talkers, and cached ones, come from seeds of their own.
VALIDATION_SEED, CACHE_SEED = 1 << 20, 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPaths:
    """`root` is the folder of manifest.csv; what was decoded or computed once is kept in `cache`."""

    root: Path
    cache: Path


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Validation:
    """Cuts of dev talkers. Trials are between cuts of one value of `within`; -1 takes part in none."""

    inputs: Tensor  # (S * V, T, F) or (S * V, W)
    speakers: IntArray  # (S * V,)
    groups: IntArray  # (S * V,)
    within: IntArray  # (S * V,)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EmbedderData:
    """Examples and schedule of the train talkers; validation is None without dev talkers."""

    examples: SpeakerExamples
    schedule: SpeakerSchedule
    group_names: tuple[str, ...] = ()
    validation: Validation | None = None
    workers: int = 0

    @property
    def num_speakers(self) -> int:
        return self.schedule.num_speakers

    def batches(self, *, first_step: int, world: World) -> Iterator[SpeakerBatch]:
        """Of this rank, without end."""
        return speaker_batches(self.examples, self.schedule, world=world, first_step=first_step, workers=self.workers)


def open_data(
    recipe: EmbedderRecipe, paths: DataPaths, embedder: TrainedEmbedder, *, workers: int = 0, fold: Fold | None = None
) -> EmbedderData:
    """`fold`: its talkers are left out, and those of the other folds are train talkers, whatever the manifest says.

    Raises InvalidRequestError when the manifest lacks a corpus, a column or talkers.
    """
    config = recipe.data
    embedder.eval()
    listed = _listed(config, paths, fold)
    train = _speakers(listed, TRAIN, config)
    if not train:
        message = f"no train talker of {', '.join(config.corpora)} has min_speech_s = {config.min_speech_s:g} of speech"
        raise InvalidRequestError(message, field="data.min_speech_s")
    numbers_kept = [number for number, speaker in enumerate(train) if not (fold and speaker.name in fold.tested)]
    # Before anything is heard: too few talkers are told at once.
    schedule = schedule_of(recipe, [train[number] for number in numbers_kept])
    sounds = _sounds(listed, config, paths)
    dev = _speakers(listed, DEV, replace(config, speeds=(1.0,)))
    dev_cuts = SpeakerFeatures(
        dev, sounds, replace(config.cuts, utterances=config.validation_cuts), seed=VALIDATION_SEED
    )
    # Of all folds' talkers, so that what a frozen network makes of them is kept once for all folds.
    examples = _examples(train, sounds, recipe, embedder, paths=paths)
    return EmbedderData(
        examples=SomeSpeakers(examples, numbers_kept) if fold else examples,
        schedule=schedule,
        group_names=listed.group_names,
        validation=_validation(dev_cuts, embedder, listed.within, paths=paths) if len(dev) > 1 else None,
        workers=workers,
    )


def group_numbers(values: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Column values by clip path -> group of each clip by path, and the groups' names in order of their numbers.

    A clip with any value unknown is UNKNOWN; without columns all clips are.
    """
    crossed = {path: " ".join(of) if all(of) else "" for path, of in values.items()}
    names = tuple(sorted(set(crossed.values()) - {""}))
    numbers = {name: number for number, name in enumerate(names)}
    return {path: numbers.get(name, UNKNOWN) for path, name in crossed.items()}, names


def schedule_of(recipe: EmbedderRecipe, speakers: Sequence[TrainingSpeaker]) -> SpeakerSchedule:
    """Balanced over groups where that is the method."""
    if recipe.fairness.method == "group-balanced":
        return BalancedSchedule([speaker.group for speaker in speakers], recipe.speakers, seed=recipe.seed)
    return SpeakerSchedule(len(speakers), recipe.speakers, seed=recipe.seed)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Listed:
    """Train and dev clips of the manifest; of those that are `heard`, the group, and the value of trials, by path."""

    clips: Sequence[Clip]
    heard: Sequence[Clip]
    groups: Mapping[str, int]
    group_names: tuple[str, ...]
    within: Mapping[str, int]


def _listed(config: SpeakerDataConfig, paths: DataPaths, fold: Fold | None) -> _Listed:
    rows = read_with_columns(paths.root / "manifest.csv", (*config.groups, *config.trials_within))
    values, num_groups = {clip.path: of for clip, of in rows}, len(config.groups)
    everybody = [clip for clip, _ in rows]
    there = {clip.corpus for clip in everybody}
    if missing := sorted({*config.corpora} - there):
        message = f"the manifest has no corpus {', '.join(missing)}; there are {', '.join(sorted(there)) or 'none'}"
        raise InvalidRequestError(message, field="data.corpora")
    clips = [clip for clip in (fold.resplit(everybody) if fold else everybody) if clip.split in LEARNT_SPLITS]
    heard = [clip for clip in clips if clip.corpus in config.corpora]
    groups, names = group_numbers({clip.path: values[clip.path][:num_groups] for clip in heard})
    within, _ = group_numbers({clip.path: values[clip.path][num_groups:] for clip in heard})
    if not config.trials_within:
        within = dict.fromkeys(within, 0)
    return _Listed(clips=clips, heard=heard, groups=groups, group_names=names, within=within)


def _speakers(listed: _Listed, split: str, config: SpeakerDataConfig) -> list[TrainingSpeaker]:
    mine = [clip for clip in listed.heard if clip.split == split]
    return training_speakers(mine, listed.groups, speeds=config.speeds, min_speech_s=config.min_speech_s)


def _sounds(listed: _Listed, config: SpeakerDataConfig, paths: DataPaths) -> Sounds:
    """Dev talkers are heard in the noise of the train split, so that it is the talkers alone that are new."""
    noises = noises_for(listed.clips, TRAIN, corpus=config.noise_corpus)
    if config.cuts.augmentation.noise_share and not noises:
        message = (
            f"no train clips of corpus {config.noise_corpus} for noise: set data.cuts.augmentation.noise_share = 0"
        )
        raise InvalidRequestError(message, field="data.noise_corpus")
    speech = SpeechStore.open([whole_clip(clip) for clip in listed.heard], root=paths.root, folder=paths.cache)
    return Sounds(speech, load_noises(noises, paths.root) if config.cuts.augmentation.noise_share else {})


def _examples(
    speakers: Sequence[TrainingSpeaker],
    sounds: Sounds,
    recipe: EmbedderRecipe,
    embedder: TrainedEmbedder,
    *,
    paths: DataPaths,
) -> SpeakerExamples:
    config = recipe.data
    pooled = recipe.embedder.trains == "head"
    if not pooled and not config.keep_features:
        return SpeakerFeatures(speakers, sounds, config.cuts, seed=recipe.seed)
    cuts = replace(config.cuts, utterances=config.cached_cuts)
    features = SpeakerFeatures(speakers, sounds, cuts, seed=CACHE_SEED)
    # A step per talker, so that cuts of several lengths are cached.
    places = [(number, number) for number in range(len(speakers))]
    made = pooled_once(features, places, embedder, paths=paths) if pooled else heard_once(features, places, paths=paths)
    return cached_features(features, places, made, utterances=config.cuts.utterances, seed=recipe.seed)


def cached_features(
    features: SpeakerFeatures, places: Sequence[tuple[int, int]], made: FloatArray, *, utterances: int, seed: int
) -> CachedFeatures:
    """What was made of every talker's cuts, (S, C, W) or (S, C, T, F), with the sessions these are of."""
    cuts = [features.cuts(place) for place in places]
    sessions = [
        [speaker.sessions.index(cut.session) for cut in of] for speaker, of in zip(features.speakers, cuts, strict=True)
    ]
    groups = [[cut.session.group for cut in of] for of in cuts]
    return CachedFeatures(made, np.array(sessions), np.array(groups), utterances=utterances, seed=seed)


def pooled_once(
    features: SpeakerFeatures, places: Sequence[tuple[int, int]], embedder: TrainedEmbedder, *, paths: DataPaths
) -> FloatArray:
    """(S, C, W) statistics of the examples at these places, kept by network, speech, cuts and augmentation."""

    def make() -> FloatArray:
        pooled = [embedder.pooled(torch.from_numpy(features[place].inputs)) for place in places]
        return torch.stack(pooled).cpu().numpy()

    return cached_array(paths.cache, "pooled", [embedder.digest(), *_made_from(features, places, paths.root)], make)


def heard_once(features: SpeakerFeatures, places: Sequence[tuple[int, int]], *, paths: DataPaths) -> FloatArray:
    """(S, C, T, F) inputs of the examples at these places, kept by speech, cuts and augmentation."""

    def make() -> FloatArray:
        return np.stack([features[place].inputs for place in places])

    return cached_array(paths.cache, "heard", _made_from(features, places, paths.root), make)


def _made_from(features: SpeakerFeatures, places: Sequence[tuple[int, int]], root: Path) -> list[object]:
    sessions = [[[clip.path for clip in of.clips] for of in speaker.sessions] for speaker in features.speakers]
    speech = {path for speaker in sessions for of in speaker for path in of}
    return [
        asdict(features.config),
        features.seed,
        features.noises,
        [[step for step, _ in places]],
        [[str(speaker.speed), of] for speaker, of in zip(features.speakers, sessions, strict=True)],
        file_ages(speech.union(features.sounds.noises), root),
    ]


def _validation(
    features: SpeakerFeatures, embedder: TrainedEmbedder, within: Mapping[str, int], *, paths: DataPaths
) -> Validation:
    places = [(0, number) for number in range(len(features.speakers))]
    cuts = [cut for place in places for cut in features.cuts(place)]
    if embedder.config.trains == "head":
        inputs = np.concatenate(pooled_once(features, places, embedder, paths=paths))
    else:
        inputs = np.concatenate([features[place].inputs for place in places])
    return Validation(
        inputs=torch.from_numpy(inputs),
        speakers=np.repeat(np.arange(len(places)), features.config.utterances),
        groups=np.array([cut.session.group for cut in cuts]),
        within=np.array([within[cut.session.clips[0].path] for cut in cuts]),
    )
