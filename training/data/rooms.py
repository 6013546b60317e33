"""A bank of simulated rooms: impulse responses by the image-source method (pyroomacoustics), made once and kept."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyroomacoustics

from svc.types import MODEL_RATE_HZ, FloatArray
from training.data.cached_array import cached_array

POSITIONS = 4
# Samples kept before the direct sound's peak: half the fractional delay filter's ripple, far below a frame.
LEAD_SAMPLES = 8
# Of pyroomacoustics' fractional delay filter, by which every response starts late.
FILTER_DELAY_SAMPLES = pyroomacoustics.constants.get("frac_delay_length") // 2
MAX_ORDER = 17
WALL_DISTANCE_M = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomConfig:
    """Shoebox rooms drawn at random, each heard by one microphone from POSITIONS places."""

    rooms: int = 200
    seed: int = 0
    width_m: tuple[float, float] = (3.0, 8.0)
    height_m: tuple[float, float] = (2.5, 3.5)
    rt60_s: tuple[float, float] = (0.15, 0.6)
    length_s: float = 0.4

    def __post_init__(self) -> None:
        if self.rooms < 1 or not 0 < self.length_s <= 1 or self.width_m[0] <= 3 * WALL_DISTANCE_M:
            raise ValueError(f"need a room, 0 < length_s <= 1 and walls far enough apart, got {self}")


class RoomBank:
    """(R * POSITIONS, L) responses of R rooms; the direct sound comes at LEAD_SAMPLES and the energy is one."""

    def __init__(self, responses: FloatArray) -> None:
        self.responses = responses

    @property
    def rooms(self) -> int:
        return len(self.responses) // POSITIONS

    @classmethod
    def make(cls, config: RoomConfig) -> "RoomBank":
        """Some 20 ms a room."""
        random = np.random.default_rng(config.seed)
        return cls(np.concatenate([_room(config, random) for _ in range(config.rooms)]))

    @classmethod
    def open(cls, folder: Path, config: RoomConfig) -> "RoomBank":
        """The bank kept in the folder under its config; made when it is not there."""
        return cls(cached_array(folder, "rooms", asdict(config), lambda: cls.make(config).responses))


def _room(config: RoomConfig, random: np.random.Generator) -> FloatArray:
    """(POSITIONS, L)"""
    size_m = np.array([*random.uniform(*config.width_m, size=2), random.uniform(*config.height_m)])
    # Sabine's formula knows no such room when it is too large to be so dry: then as dry as it can be.
    rt60_s = max(random.uniform(*config.rt60_s), 0.17 * float(np.prod(size_m)) / _surface_m2(size_m))
    absorption, order = pyroomacoustics.inverse_sabine(rt60_s, size_m)
    material = pyroomacoustics.Material(absorption)
    room = pyroomacoustics.ShoeBox(size_m, fs=MODEL_RATE_HZ, materials=material, max_order=min(order, MAX_ORDER))
    places = random.uniform(WALL_DISTANCE_M, size_m - WALL_DISTANCE_M, (POSITIONS + 1, 3))
    for place in places[:-1]:
        room.add_source(place)
    room.add_microphone(places[-1])
    room.compute_rir()
    distances_m = np.linalg.norm(places[:-1] - places[-1], axis=1)
    num_samples = round(config.length_s * MODEL_RATE_HZ)
    return np.stack([_aligned(*heard, num_samples) for heard in zip(room.rir[0], distances_m.tolist(), strict=True)])


def _surface_m2(size_m: np.ndarray) -> float:
    width, depth, height = size_m
    return float(2 * (width * depth + width * height + depth * height))


def _aligned(response: np.ndarray, distance_m: float, num_samples: int) -> FloatArray:
    # The way to the microphone is cut off: words keep their times.
    direct = round(distance_m / pyroomacoustics.constants.get("c") * MODEL_RATE_HZ) + FILTER_DELAY_SAMPLES
    aligned = np.zeros(num_samples, np.float32)
    heard = response[max(0, direct - LEAD_SAMPLES) :][:num_samples]
    aligned[: len(heard)] = heard
    return aligned / np.float32(np.linalg.norm(aligned))
