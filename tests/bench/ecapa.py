"""The peer most people would use: SpeechBrain's ECAPA-TDNN through its own `encode_batch`."""

from collections.abc import Sequence

import numpy as np
import torch
from speechbrain.inference.speaker import EncoderClassifier
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.processing.features import InputNormalization

from svc.types import FloatArray


class EcapaPeer:
    """speechbrain/spkrec-ecapa-voxceleb's architecture, randomly initialised: the weights do not change the speed."""

    fingerprint, dimension, runtime = "peer", 192, "torch"

    def __init__(self) -> None:
        channels = [1024, 1024, 1024, 1024, 3072]
        modules = {
            "compute_features": Fbank(n_mels=80),
            "mean_var_norm": InputNormalization(norm_type="sentence", std_norm=False),
            "embedding_model": ECAPA_TDNN(80, channels=channels, lin_neurons=192, attention_channels=128),
            "classifier": torch.nn.Identity(),
            "mean_var_norm_emb": torch.nn.Identity(),
        }
        self.classifier = EncoderClassifier(modules=modules, hparams={"label_encoder": None}).eval()

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips of one length -> (B, 192)."""
        with torch.inference_mode():
            embeddings = self.classifier.encode_batch(torch.from_numpy(np.stack(clips)))  # (B, 1, 192)
        matrix: FloatArray = embeddings[:, 0].numpy()
        return matrix
