"""A second of samples that tell their own place, and what of it a recorder was sent."""

import io

import numpy as np
import soundfile

from tests.client.toy_server import Recorder

RAMP = np.arange(8_000, dtype=np.int16)  # a second at 8 kHz


def audio_of(recorder: Recorder) -> bytes:
    return b"".join(request.audio for request in recorder.requests)


def wav_bytes() -> bytes:
    written = io.BytesIO()
    soundfile.write(written, RAMP, 8_000, format="WAV")
    return written.getvalue()


WAV = wav_bytes()
