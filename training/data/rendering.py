"""Recipes of mixtures made audible: the mixture, and each channel's speech alone as a target for separation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from svc.audio.resample import resample
from svc.errors import InvalidRequestError
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform
from training.data.arrangement import NUM_CHANNELS
from training.data.augment import add_noise, at_speed, noise_for, reverberate, telephone
from training.data.mixture_recipe import NO_ROOM, MixtureRecipe, Piece, PlacedTurn
from training.data.rooms import LEAD_SAMPLES, RoomBank

# Of a turn of 0 dB.
LEVEL_RMS = 0.05
FADE_S = 0.01
FULL_SCALE = 0.99


class SpeechReader(Protocol):
    """Where the speech comes from; `training.data.speech_store.SpeechStore` is one."""

    def read(self, utterance_id: str, start_s: float, end_s: float) -> FloatArray:
        """(N,) of an utterance from start_s to end_s within it, at 16 kHz."""
        ...


@dataclass(frozen=True, slots=True)
class Sounds:
    """All the audio that recipes name: speech, noises at 16 kHz by path, and rooms."""

    speech: SpeechReader
    noises: Mapping[str, Waveform] = field(default_factory=dict)
    rooms: RoomBank | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """(N,) at 16 kHz, and (2, N) of each channel's turns as they are in it: same room, level and band, no noise;
    (2, 0) where they were not asked for.
    """

    samples: FloatArray
    sources: FloatArray
    recipe: MixtureRecipe


def render(recipe: MixtureRecipe, sounds: Sounds, *, with_sources: bool = True) -> Mixture:
    """The same recipe gives the same samples. Raises InvalidRequestError when it names a sound that is not there."""
    sources = np.zeros((NUM_CHANNELS, round(recipe.duration_s * MODEL_RATE_HZ)), np.float32)
    for turn in recipe.turns:
        _add_turn(sources[turn.channel], turn, sounds)
    samples = sources.sum(axis=0)
    if not with_sources:
        sources = sources[:, :0]
    degradation = recipe.degradation
    if degradation.noise:
        if degradation.noise not in sounds.noises:
            raise InvalidRequestError(f"the recipe needs the noise {degradation.noise}", field="noise")
        noise = noise_for(len(samples), sounds.noises[degradation.noise], degradation.noise_start_s)
        samples = add_noise(samples, noise, degradation.snr_db)
    scale = np.float32(min(1.0, FULL_SCALE / max(float(np.max(np.abs(samples), initial=0.0)), 1e-9)))
    samples, sources = samples * scale, sources * scale
    if degradation.telephone:
        samples, sources = _by_telephone(samples), np.stack([_by_telephone(source) for source in sources])
    return Mixture(samples, sources, recipe)


def _add_turn(channel: FloatArray, turn: PlacedTurn, sounds: Sounds) -> None:
    """Adds the turn to its channel (N,), in place, with as much of the room's tail as fits."""
    first = round(turn.pieces[0].at_s * MODEL_RATE_HZ)
    cuts = [(round(piece.at_s * MODEL_RATE_HZ) - first, _read(piece, turn.speed, sounds)) for piece in turn.pieces]
    dry = np.zeros(max(start + len(cut) for start, cut in cuts), np.float32)
    for start, cut in cuts:
        dry[start : start + len(cut)] += cut
    level = float(np.sqrt(np.mean(dry**2, dtype=np.float64)))
    dry *= np.float32(LEVEL_RMS * 10 ** (turn.gain_db / 20) / max(level, 1e-5))
    if turn.response != NO_ROOM:
        dry, first = _in_room(dry, turn.response, sounds), first - LEAD_SAMPLES
    skipped = max(0, -first)
    fits = dry[skipped : len(channel) - first]
    channel[first + skipped :][: len(fits)] += fits


def _read(piece: Piece, speed: float, sounds: Sounds) -> FloatArray:
    samples = sounds.speech.read(piece.utterance_id, piece.start_s, piece.end_s)
    samples = at_speed(samples, speed)
    # The recording's own noise would else begin and end with a click.
    fade = np.linspace(0, 1, min(round(FADE_S * MODEL_RATE_HZ), len(samples) // 2), dtype=np.float32)
    samples[: len(fade)] *= fade
    samples[len(samples) - len(fade) :] *= fade[::-1]
    return samples


def _in_room(dry: FloatArray, response: int, sounds: Sounds) -> FloatArray:
    if sounds.rooms is None or response >= len(sounds.rooms.responses):
        raise InvalidRequestError(f"the recipe needs room response {response}", field="response")
    heard = sounds.rooms.responses[response]
    return reverberate(np.concatenate([dry, np.zeros(len(heard) - 1, np.float32)]), heard)


def _by_telephone(samples: FloatArray) -> FloatArray:
    """(N,) -> (N,) at 16 kHz again, with nothing left above 3.4 kHz."""
    if not samples.any():
        return samples
    return resample(telephone(Waveform(samples, MODEL_RATE_HZ))).samples[: len(samples)]
