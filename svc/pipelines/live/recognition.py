"""One live stream's place in a recogniser, as the transcription pipeline sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from svc.backends.protocols import Emission, RecognisedChunk
from svc.types import FloatArray
from svc.units import Units


class RecognitionSession(Protocol):
    """Mel frames in, tokens out; blocking. Its frames of 40 ms count from 0 and lag the audio by `delay_s`."""

    @property
    def units(self) -> Units: ...

    @property
    def frame_s(self) -> float: ...

    @property
    def delay_s(self) -> float:
        """Frame i, its tokens, activity and masks, speaks of the audio from i * frame_s - delay_s on."""
        ...

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        """(4k, M) the next frames."""
        ...

    def tell(self, channel: int, voice: FloatArray | None) -> None:
        """Whose voice, (V,), the channel carries from the next frames on; None = unknown. A model that was trained to
        be told hears better; then what it hears depends on when it is told.
        """
        ...

    def finish(self) -> RecognisedChunk:
        """The end of the stream: the frames that the delay held back."""
        ...

    def close(self) -> None:
        """Frees the session; of a closed one, too."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RecognisedFrame:
    """One frame of 40 ms of a chunk."""

    frame: int
    emitted: tuple[list[Emission], list[Emission]]
    activity: FloatArray  # (C,)


def frames_of(chunk: RecognisedChunk) -> Sequence[RecognisedFrame]:
    """The frames of a chunk, each with the tokens that came out at it; later and earlier ones at the nearest frame."""
    num_frames = chunk.activity.shape[1]
    frames = [
        RecognisedFrame(chunk.first_frame + offset, ([], []), np.ascontiguousarray(chunk.activity[:, offset]))
        for offset in range(num_frames)
    ]
    for channel, emissions in enumerate(chunk.emissions):
        for emission in emissions:
            offset = min(max(emission.frame - chunk.first_frame, 0), num_frames - 1)
            frames[offset].emitted[channel].append(emission)
    return frames
