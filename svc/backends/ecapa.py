"""ECAPA-TDNN as SpeechBrain builds it, for verifiers trained here: on this project's own front end.

Desplanques et al. 2020, arXiv 2005.07143. SpeechBrain's published models come by `svc.backends.speechbrain`.
"""

from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch import nn

import svc.backends.speechbrain  # noqa: F401 - takes SpeechBrain's stand-ins for old modules away
from svc.models.embedder_shape import EcapaConfig


def make_ecapa(config: EcapaConfig) -> nn.Module:
    """(B, T, mels) without padding -> (B, 1, D); random weights."""
    network: nn.Module = ECAPA_TDNN(
        config.num_mels,
        lin_neurons=config.embedding_width,
        channels=[*[config.channels] * 4, 3 * config.channels],
        attention_channels=config.attention_channels,
        se_channels=config.squeeze_channels,
    )
    return network
