"""A live transcriber of toy size that emits often enough to be worth watching."""

from functools import cache

import torch

from svc.backends.transcriber import TransducerRecogniser, build_recogniser
from svc.models.decoding import DecoderConfig
from svc.models.transcriber import Transcriber
from svc.types import FloatArray
from svc.units import WORD_START, Units
from tests.models.toy_transcriber import random_mels, toy_config

UNITS = Units(tuple(f"{WORD_START}{letter}" for letter in "abcde"))


@cache
def toy_recogniser(
    beam: int = 1, *, kind: str = "transformer", second_voice_share: float = 0.0, rest_after_frames: int = 0
) -> TransducerRecogniser:
    torch.manual_seed(3)
    model = Transcriber(toy_config(kind, second_voice_share=second_voice_share)).eval()
    # Wider than the default, so that tokens and blanks both win now and then.
    for weight in (*model.predictor.parameters(), *model.joint.parameters()):
        torch.nn.init.normal_(weight, std=0.8)
    return build_recogniser(
        model,
        units=UNITS,
        fingerprint="toy",
        decoder=DecoderConfig(beam=beam),
        rest_after_frames=rest_after_frames,
    )


def toy_mels(num_frames: int, seed: int = 0) -> FloatArray:
    """(T, M)."""
    return random_mels(1, num_frames, seed)[0].numpy()
