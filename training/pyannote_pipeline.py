"""The peer in the diarization benchmark: pyannote.audio's own pipeline, on the same segmentation and voices as ours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pyannote.audio.core.io import Audio
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import AgglomerativeClustering

from svc.backends.protocols import Embedder
from svc.backends.pyannote import PyannoteSegmenter
from svc.types import MODEL_RATE_HZ, FloatArray, Span, Turn, Waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSetting:
    """Defaults = the published speaker-diarization-3.1, made for another embedder (WeSpeaker ResNet34)."""

    threshold: float = 0.7045654963945799
    min_cluster_size: int = 12
    min_duration_off_s: float = 0.0


class MaskedEmbedder:
    """Our embedder behind the interface that pyannote expects of one."""

    sample_rate = MODEL_RATE_HZ
    metric = "cosine"
    # 0.2 s, as in our own pipeline.
    min_num_samples = MODEL_RATE_HZ // 5

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.dimension = embedder.dimension

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor) -> FloatArray:
        """(B, 1, N) and (B, F) -> (B, D); NaN where the mask leaves too little."""
        embeddings = np.full((len(waveforms), self.dimension), np.nan, np.float32)
        num_samples = waveforms.shape[-1]
        wide = torch.nn.functional.interpolate(masks[:, None], size=num_samples, mode="nearest")[:, 0] > 0.5  # (B, N)
        clips = [waveform[0][mask].numpy() for waveform, mask in zip(waveforms, wide, strict=True)]
        heard = [row for row, clip in enumerate(clips) if len(clip) >= self.min_num_samples]
        if heard:
            embeddings[heard] = self.embedder.embed([clips[row] for row in heard])
        return embeddings


class PyannotePipeline:
    """speaker-diarization-3.1: windows each second, centroid linkage; no overlap excluded from voices unless asked."""

    def __init__(self, segmenter: PyannoteSegmenter, embedder: Embedder) -> None:
        # Built with oracle clustering and a PLDA that nothing reads, else the constructor asks a hub for its defaults.
        self.pipeline = SpeakerDiarization(
            segmentation=segmenter.network,
            clustering="OracleClustering",
            plda=PLDA.__new__(PLDA),
            embedding_exclude_overlap=True,
            segmentation_batch_size=8,
            embedding_batch_size=8,
        )
        self.pipeline.klustering = "AgglomerativeClustering"
        self.pipeline.clustering = AgglomerativeClustering(metric="cosine")
        self.pipeline._expects_num_speakers = False
        self.pipeline._embedding = MaskedEmbedder(embedder)
        self.pipeline._audio = Audio(sample_rate=MODEL_RATE_HZ, mono="downmix")

    def diarize(self, waveform: Waveform, settings: Sequence[PipelineSetting]) -> list[list[Turn]]:
        """The turns under each setting; the models run once."""
        file = {"waveform": torch.from_numpy(waveform.samples)[None], "sample_rate": MODEL_RATE_HZ, "uri": "recording"}
        self.pipeline.training = True  # keeps what the models said in `file`
        return [self._turns(file, setting) for setting in settings]

    def _turns(self, file: dict[str, object], setting: PipelineSetting) -> list[Turn]:
        clusters = {"threshold": setting.threshold, "min_cluster_size": setting.min_cluster_size}
        self.pipeline.instantiate(
            {
                "segmentation": {"min_duration_off": setting.min_duration_off_s},
                "clustering": {"method": "centroid", **clusters},
            }
        )
        annotation = self.pipeline.apply(file).speaker_diarization
        return [
            Turn(Span(segment.start, segment.end), str(label))
            for segment, _, label in annotation.itertracks(yield_label=True)
        ]
