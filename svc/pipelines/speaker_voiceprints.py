"""A voiceprint per speaker of a diarized recording, from what each says alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from svc.audio.quality import measure_quality
from svc.backends.protocols import Embedder
from svc.pipelines.reconstruction import overlaps_of, union_of, without
from svc.scoring.cosine import mean_direction
from svc.types import FloatArray, Span, Voiceprint, Waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceprintLimits:
    """How much speech a voiceprint rests on."""

    min_speech_s: float = 1.0
    max_speech_s: float = 30.0
    # Clips given to the embedder; a longer voiceprint is the mean of several.
    max_clip_s: float = 10.0
    # Pauses of the recording heard beside the speech, to tell noise from voice.
    max_pause_s: float = 5.0


def speaker_voiceprints(
    waveform: Waveform, spans_by_speaker: Mapping[str, list[Span]], *, embedder: Embedder, limits: VoiceprintLimits
) -> dict[str, Voiceprint]:
    """The voiceprints of those speakers who say enough alone; longest stretches first."""
    everyone = [span for spans in spans_by_speaker.values() for span in spans]
    overlaps = overlaps_of(everyone)
    pauses = _longest(without([Span(0.0, waveform.duration_s)], union_of(everyone)), total_s=limits.max_pause_s)
    voiceprints = {}
    for label, spans in spans_by_speaker.items():
        alone = _longest(without(spans, overlaps), total_s=limits.max_speech_s)
        if sum(span.duration_s for span in alone) >= limits.min_speech_s:
            voiceprints[label] = _voiceprint(waveform, alone, pauses, embedder=embedder, max_clip_s=limits.max_clip_s)
    return voiceprints


def _longest(spans: list[Span], *, total_s: float) -> list[Span]:
    """The longest spans, the last one cut, until they add up to `total_s`; in order of time."""
    chosen: list[Span] = []
    left_s = total_s
    for span in sorted(spans, key=lambda span: (-span.duration_s, span.start_s)):
        if left_s <= 0:
            break
        chosen.append(Span(span.start_s, min(span.end_s, span.start_s + left_s)))
        left_s -= span.duration_s
    return sorted(chosen)


def _joined(waveform: Waveform, spans: list[Span]) -> FloatArray:
    rate = waveform.sample_rate_hz
    pieces = [waveform.samples[round(span.start_s * rate) : round(span.end_s * rate)] for span in spans]
    return np.concatenate([np.zeros(0, np.float32), *pieces])


def _voiceprint(
    waveform: Waveform, alone: list[Span], pauses: list[Span], *, embedder: Embedder, max_clip_s: float
) -> Voiceprint:
    speech = _joined(waveform, alone)
    clips = np.array_split(speech, int(np.ceil(len(speech) / (max_clip_s * waveform.sample_rate_hz))))
    vector = mean_direction(embedder.embed(clips))
    heard = Waveform(np.concatenate([speech, _joined(waveform, pauses)]), waveform.sample_rate_hz)
    quality = measure_quality(heard, [Span(0.0, len(speech) / waveform.sample_rate_hz)])
    return Voiceprint.of(vector, quality, model_fingerprint=embedder.fingerprint)
