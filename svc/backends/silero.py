"""silero-vad: where somebody speaks. Its sequence graph runs on ONNX Runtime directly, without the package or torch."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

from svc.backends.call_scope import check_wanted
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
        """(N,) at 16 kHz -> (F,) in 0..1; the last window is filled up with zeros.

        Raises CallAbandonedError between two runs once nobody waits for them.
        """
        num_windows = -(-len(samples) // WINDOW_SAMPLES)
        state = memory = np.zeros(STATE_SHAPE, dtype=np.float32)
        pieces = [np.zeros(0, dtype=np.float32)]
        for first in range(-LEAD_WINDOWS, num_windows, WINDOWS_PER_RUN):
            check_wanted()
            windows = with_context(samples, first, min(first + WINDOWS_PER_RUN, num_windows))
            block = np.ascontiguousarray(windows)
            probabilities, state, memory = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": block, "h": state, "c": memory}
            )
            pieces.append(probabilities.reshape(-1))
        return np.concatenate(pieces)[LEAD_WINDOWS:]


def with_context(samples: FloatArray, first: int, end: int) -> FloatArray:
    """(N,) -> (end - first, 64 + 512), a view: windows `first` up to `end`, each after the end of the one before it.

    Silence stands before the samples, in windows below 0, and after them.
    """
    start, stop = first * WINDOW_SAMPLES - CONTEXT_SAMPLES, end * WINDOW_SAMPLES
    padded = np.zeros(stop - start, dtype=np.float32)
    there = samples[max(0, start) : max(0, stop)]
    padded[max(0, -start) :][: len(there)] = there
    return np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + WINDOW_SAMPLES)[::WINDOW_SAMPLES]
