"""Cutting and joining what the recogniser made of a stretch, so that callers and model need not agree on lengths."""

from collections.abc import Sequence

import numpy as np

from svc.backends.protocols import Emission, RecognisedChunk

MELS_PER_FRAME = 4


def cut_chunk(chunk: RecognisedChunk, start: int, stop: int) -> RecognisedChunk:
    """Frames start to stop of it. Tokens that came out late, at a frame before the chunk, go with its first frame."""
    first, num_frames = chunk.first_frame, chunk.activity.shape[1]
    if (start, stop) == (0, num_frames):
        return chunk
    oldest = first + start if start else 0
    past = first + stop

    def within(emissions: tuple[Emission, ...], since: int) -> tuple[Emission, ...]:
        return tuple(emission for emission in emissions if since <= emission.frame < past)

    return RecognisedChunk(
        first_frame=first + start,
        emissions=(within(chunk.emissions[0], oldest), within(chunk.emissions[1], oldest)),
        partial=(within(chunk.partial[0], 0), within(chunk.partial[1], 0)),
        activity=chunk.activity[:, start:stop],
        masks=chunk.masks[:, start * MELS_PER_FRAME : stop * MELS_PER_FRAME],
    )


def join_chunks(parts: Sequence[RecognisedChunk]) -> RecognisedChunk:
    """Chunks that follow each other as one; what may still be taken back is what the last one says."""
    if len(parts) == 1:
        return parts[0]
    return RecognisedChunk(
        first_frame=parts[0].first_frame,
        emissions=(
            tuple(emission for part in parts for emission in part.emissions[0]),
            tuple(emission for part in parts for emission in part.emissions[1]),
        ),
        partial=parts[-1].partial,
        activity=np.concatenate([part.activity for part in parts], axis=1),
        masks=np.concatenate([part.masks for part in parts], axis=1),
    )
