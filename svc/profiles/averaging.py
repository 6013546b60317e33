"""One voiceprint out of several of the same person."""

from collections.abc import Sequence

import numpy as np

from svc.errors import InvalidRequestError
from svc.types import Band, Voiceprint

# Below this the vectors cancel each other out and their mean points nowhere.
_MIN_NORM = 1e-3


def mean_voiceprint(voiceprints: Sequence[Voiceprint]) -> Voiceprint:
    """Mean direction, speech summed, conditions averaged by seconds of speech; every utterance counts the same.

    Raises InvalidRequestError when the voices cancel out.
    """
    mean = np.mean([voiceprint.vector for voiceprint in voiceprints], axis=0, dtype=np.float64)  # (D,)
    norm = float(np.linalg.norm(mean))
    if norm < _MIN_NORM:
        raise InvalidRequestError("the utterances cancel each other out: they cannot be one voice", field="utterances")
    speech_s = np.array([voiceprint.net_speech_s for voiceprint in voiceprints])
    weights = speech_s / speech_s.sum() if speech_s.sum() > 0 else np.full(len(speech_s), 1 / len(speech_s))
    telephone = np.array([voiceprint.band is Band.TELEPHONE for voiceprint in voiceprints])
    return Voiceprint(
        vector=np.asarray(mean / norm, np.float32),
        model_fingerprint=voiceprints[0].model_fingerprint,
        net_speech_s=float(speech_s.sum()),
        band=Band.TELEPHONE if float(weights @ telephone) > 0.5 else Band.WIDE,
        snr_db=float(weights @ [voiceprint.snr_db for voiceprint in voiceprints]),
        clipped_share=float(weights @ [voiceprint.clipped_share for voiceprint in voiceprints]),
    )
