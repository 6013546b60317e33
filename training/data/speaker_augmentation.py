"""What is done to each utterance a verifier is trained on: a room, noise, the telephone band, a codec.

An augmentation is drawn with a random state and can be applied as often as wanted with the same result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from svc.audio.resample import resample
from svc.errors import InvalidRequestError
from svc.typed_config import check_range, check_shares
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform
from training.data.augment import Degradation, degrade
from training.data.codecs import CODECS, Coding, coded


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationConfig:
    """Shares of utterances that get each, independently of the others; ranges are drawn from evenly."""

    room_share: float = 0.4
    noise_share: float = 0.5
    telephone_share: float = 0.2
    codec_share: float = 0.2
    rt60_s: tuple[float, float] = (0.2, 0.8)
    direct_to_reverberant_db: tuple[float, float] = (0.0, 10.0)
    snr_db: tuple[float, float] = (5.0, 20.0)
    compression: tuple[float, float] = (0.3, 0.9)

    def __post_init__(self) -> None:
        check_shares(self, "room_share", "noise_share", "telephone_share", "codec_share")
        check_range(0, inf, self, "rt60_s")
        check_range(-inf, inf, self, "direct_to_reverberant_db", "snr_db")
        check_range(0, 1, self, "compression")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Everything that happens to one utterance; no coding = none."""

    degradation: Degradation
    coding: Coding | None = None


def draw_augmentation(
    random: np.random.Generator, config: AugmentationConfig, noises: Sequence[tuple[str, float]]
) -> Augmentation:
    """`noises`: names and seconds. Raises InvalidRequestError when noise is wanted and there is none."""
    if config.noise_share and not noises:
        raise InvalidRequestError("no noise clips to add: set augmentation.noise_share = 0", field="noise_share")
    in_a_room, in_noise, by_telephone, by_codec = random.random(4) < (
        config.room_share,
        config.noise_share,
        config.telephone_share,
        config.codec_share,
    )
    name, duration_s = noises[int(random.integers(len(noises)))] if in_noise else ("", 0.0)
    degradation = Degradation(
        rt60_s=float(random.uniform(*config.rt60_s)) if in_a_room else 0.0,
        direct_to_reverberant_db=float(random.uniform(*config.direct_to_reverberant_db)) if in_a_room else 0.0,
        seed=int(random.integers(2**31)) if in_a_room else 0,
        noise=name,
        noise_start_s=float(random.uniform(0, duration_s)) if in_noise else 0.0,
        snr_db=float(random.uniform(*config.snr_db)) if in_noise else 0.0,
        telephone=bool(by_telephone),
    )
    codec = CODECS[int(random.integers(len(CODECS)))]
    coding = Coding(codec, float(random.uniform(*config.compression))) if by_codec else None
    return Augmentation(degradation, coding)


def augmented(samples: FloatArray, augmentation: Augmentation, noises: Mapping[str, Waveform]) -> FloatArray:
    """(N,) at 16 kHz -> (N,) at 16 kHz."""
    recipe = augmentation.degradation
    degraded = degrade(Waveform(samples, MODEL_RATE_HZ), recipe, noises.get(recipe.noise))
    heard = resample(degraded).samples
    kept = np.pad(heard[: len(samples)], (0, max(0, len(samples) - len(heard))))
    return coded(kept, augmentation.coding) if augmentation.coding else kept
