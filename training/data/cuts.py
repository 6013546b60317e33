"""Cuts short stretches of speech from a long recording by its energy: no model, so the lists outlive models."""

import numpy as np

from svc.types import Span, Waveform

FRAME_S = 0.01
HOP_S = 0.1
# A frame this far below the loud ones is a pause.
SPEECH_RANGE_DB = 30.0
MIN_SPEECH_SHARE = 0.75


def speech_cuts(recording: Waveform, length_s: float, max_cuts: int, random: np.random.Generator) -> list[Span]:
    """At most `max_cuts` stretches of `length_s`, at random, never overlapping, each at least 75 % speech; by time."""
    speech = _speech_frames(recording)
    length_frames = round(length_s / FRAME_S)
    num_starts = (len(speech) - length_frames) // round(HOP_S / FRAME_S) + 1
    if num_starts < 1:
        return []
    before = np.concatenate([[0], np.cumsum(speech)])
    starts = np.arange(num_starts) * round(HOP_S / FRAME_S)
    enough = before[starts + length_frames] - before[starts] >= MIN_SPEECH_SHARE * length_frames
    chosen: list[int] = []
    for start in random.permutation(starts[enough]):
        if len(chosen) < max_cuts and all(abs(start - other) >= length_frames for other in chosen):
            chosen.append(int(start))
    return [Span(round(start * FRAME_S, 3), round(start * FRAME_S + length_s, 3)) for start in sorted(chosen)]


def _speech_frames(recording: Waveform) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    frame_samples = round(recording.sample_rate_hz * FRAME_S)
    whole_frames = len(recording.samples) // frame_samples
    frames = recording.samples[: whole_frames * frame_samples].reshape(whole_frames, frame_samples)
    level_db = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    if not len(level_db):
        return np.zeros(0, dtype=bool)
    return np.asarray(level_db > max(np.percentile(level_db, 95) - SPEECH_RANGE_DB, -80.0))
