"""Whisper tiny.en on CTranslate2: open-vocabulary English words with times, and the times of words already known.

Samples come as arrays, so nothing here decodes a file. The times are those of the decoder's cross-attention, found by
dynamic time warping: good to some tens of milliseconds inside speech, worse where pauses meet words.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from svc.errors import ModelUnavailableError
from svc.types import MODEL_RATE_HZ, FloatArray, RecognisedWord

MODEL_NAME = "whisper-tiny.en"
FRAME_S = 0.02
WINDOW_S = 30.0
MEL_HOP_SAMPLES = 160
MEL_FRAMES_PER_FRAME = 2
# The decoder marks the end of speech better when the encoder hears some silence after it.
TAIL_S = 0.5


class WhisperRecogniser:
    """English words with times. One call at a time runs, on one thread: it scales with processes."""

    def __init__(self, model_file: Path) -> None:
        """`model_file` is model.bin in a folder with its companions. Raises ModelUnavailableError when it is broken."""
        try:
            self._model = WhisperModel(str(model_file.parent), device="cpu", compute_type="int8", cpu_threads=1)
        except (RuntimeError, ValueError) as error:
            mend = f"equivox models pull {MODEL_NAME} --force"
            raise ModelUnavailableError(f"{model_file.parent} holds no Whisper model ({error}); {mend}") from error

    def transcribe(self, samples: FloatArray) -> list[RecognisedWord]:
        """(N,) samples at 16 kHz -> what is said in them, greedily. Each window of 30 s is heard for itself."""
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        words = (word for segment in segments for word in segment.words or ())
        return [
            RecognisedWord(text=word.word.strip(), start_s=word.start, end_s=word.end, probability=word.probability)
            for word in words
        ]

    def align(self, samples: FloatArray, words: Sequence[str]) -> list[RecognisedWord]:
        """(N,) samples at 16 kHz, at most 30 s, and the words said in them in order -> the same words with times.

        Words touch: a pause lies inside the word before or after it. Raises ValueError for longer samples.
        """
        if len(samples) > WINDOW_S * MODEL_RATE_HZ:
            raise ValueError(f"need at most {WINDOW_S} s to align, got {len(samples) / MODEL_RATE_HZ:.2f} s")
        tokens = [self._tokens(word) for word in words]
        if not any(tokens) or not len(samples):
            return []
        ids = [token for word in tokens for token in word]
        features, num_frames = self._features(samples)
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(features))
        (aligned,) = self._model.model.align(encoded, [self._start_token], [ids], [num_frames * MEL_FRAMES_PER_FRAME])
        starts_s = _token_starts_s(aligned.alignments, len(ids), num_frames)
        edges = np.concatenate([[0], np.cumsum([len(word) for word in tokens])])
        return [
            RecognisedWord(
                text=word,
                start_s=starts_s[first],
                end_s=starts_s[last],
                probability=float(np.mean(aligned.text_token_probs[first:last])) if last > first else 0.0,
            )
            for word, first, last in zip(words, edges[:-1], edges[1:], strict=True)
        ]

    @property
    def _start_token(self) -> int:
        return int(self._model.hf_tokenizer.token_to_id("<|startoftranscript|>"))

    def _tokens(self, word: str) -> list[int]:
        ids: list[int] = self._model.hf_tokenizer.encode(f" {word}", add_special_tokens=False).ids
        return ids

    def _features(self, samples: FloatArray) -> tuple[FloatArray, int]:
        """Log-mels (1, 80, T) no longer than need be, since the encoder's cost grows with them; frames of 20 ms."""
        num_frames = math.ceil(len(samples) / (MEL_HOP_SAMPLES * MEL_FRAMES_PER_FRAME))
        tail_samples = min(round(TAIL_S * MODEL_RATE_HZ), round(WINDOW_S * MODEL_RATE_HZ) - len(samples))
        mels = self._model.feature_extractor(np.pad(samples, (0, tail_samples)), padding=0)  # (80, T)
        return np.ascontiguousarray(mels[None, :, : mels.shape[1] // 2 * 2], np.float32), num_frames


def _token_starts_s(path: Sequence[tuple[int, int]], num_tokens: int, num_frames: int) -> list[float]:
    """The warping path (token, frame) -> when each token starts, and last the end of it all."""
    starts_s = [num_frames * FRAME_S] * (num_tokens + 1)
    for token, frame in reversed(path):
        if token <= num_tokens:
            starts_s[token] = frame * FRAME_S
    return starts_s
