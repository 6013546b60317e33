"""A real, if simple, system: the long-term spectrum is the voice. Enough to tell synthetic pitches apart."""

import threading

import numpy as np

from svc.errors import TooLittleSpeechError
from svc.types import Band, Voiceprint, Waveform
from training.data.trial_list import IndexArray
from training.embeddings import Voices
from training.systems import Comparison, System


class SpectrumEmbedder:
    """Counts the clips it embeds; silence is too little speech."""

    def __init__(self) -> None:
        self.num_embedded = 0
        self._lock = threading.Lock()

    def __call__(self, waveform: Waveform) -> Voiceprint:
        with self._lock:
            self.num_embedded += 1
        if np.max(np.abs(waveform.samples), initial=0.0) < 1e-3:
            raise TooLittleSpeechError("silence")
        spectrum = np.abs(np.fft.rfft(waveform.samples, 16_000))[:3000].reshape(-1, 5).sum(axis=1)
        return Voiceprint(
            vector=(spectrum / np.linalg.norm(spectrum)).astype(np.float32),
            model_fingerprint="spectrum",
            net_speech_s=waveform.duration_s,
            band=Band.TELEPHONE,
            snr_db=30.0,
            clipped_share=0.0,
        )


def compare(voices: Voices, enrolment: IndexArray, test: IndexArray) -> Comparison:
    scores = voices.cosines(enrolment, test)
    return Comparison(scores, 20 * (scores - 0.5))


def spectrum_system(embed: SpectrumEmbedder, *, name: str = "spectrum", calibrated: bool = True) -> System:
    return System(name=name, fingerprint="spectrum", calibrated=calibrated, sources=(), embed=embed, compare=compare)
