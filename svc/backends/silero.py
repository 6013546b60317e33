"""silero-vad: where somebody speaks. Its sequence graph runs on ONNX Runtime directly, without the package or torch."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

from svc.errors import ModelUnavailableError
from svc.types import MODEL_RATE_HZ, FloatArray

WINDOW_SAMPLES = 512
# The model sees the end of the previous window before each.
CONTEXT_SAMPLES = 64
STATE_SHAPE = (1, 1, 128)
# The model needs a pause before it hears speech: of a clip cut out of a talk it missed 12 % of the first second's
# speech, with a third of a second of silence in front 2 % (and calls 4 % of its pauses speech instead of 2 %).
LEAD_WINDOWS = 10
# Windows per run: 16 s, so that memory does not grow with the recording.
WINDOWS_PER_RUN = 512


class SileroVoiceActivity:
    """Speech probability for each 32 ms (a `VoiceActivityDetector`). The recurrent state lives in the call."""

    frame_s = WINDOW_SAMPLES / MODEL_RATE_HZ

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Lengths differ from call to call: a plan kept per length would be memory that only grows.
        options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions share no public base class
            raise ModelUnavailableError(
                f"{path} is no voice activity model ({error}); fetch it: equivox models pull silero-vad --force"
            ) from error

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        """(N,) at 16 kHz -> (F,) in 0..1; the last window is filled up with zeros."""
        lead = np.zeros(LEAD_WINDOWS * WINDOW_SAMPLES, dtype=np.float32)
        windows = with_context(np.concatenate([lead, samples]))
        state = memory = np.zeros(STATE_SHAPE, dtype=np.float32)
        pieces = [np.zeros(0, dtype=np.float32)]
        for start in range(0, len(windows), WINDOWS_PER_RUN):
            block = np.ascontiguousarray(windows[start : start + WINDOWS_PER_RUN])
            probabilities, state, memory = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": block, "h": state, "c": memory}
            )
            pieces.append(probabilities.reshape(-1))
        return np.concatenate(pieces)[LEAD_WINDOWS:]


def with_context(samples: FloatArray) -> FloatArray:
    """(N,) -> (F, 64 + 512): each window after the end of the one before it; a view where possible."""
    num_windows = -(-len(samples) // WINDOW_SAMPLES)
    padded = np.zeros(CONTEXT_SAMPLES + num_windows * WINDOW_SAMPLES, dtype=np.float32)
    padded[CONTEXT_SAMPLES : CONTEXT_SAMPLES + len(samples)] = samples
    if num_windows == 0:
        return np.zeros((0, CONTEXT_SAMPLES + WINDOW_SAMPLES), dtype=np.float32)
    return np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + WINDOW_SAMPLES)[::WINDOW_SAMPLES]
