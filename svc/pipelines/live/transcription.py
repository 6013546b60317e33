"""Live transcription: samples of one stream in, events out.

samples -> 16 kHz -> log-mels -> recogniser -> turns and words -> who said them. Every decision is made at a frame, not
at the end of a chunk, so the same audio gives the same words, times and speakers however it is cut; only partial words
follow the chunks, and with a beam, which decides late, the turns that silence closes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from svc.audio.collector import check_values
from svc.audio.filterbank import FilterbankConfig, StreamingFilterbank
from svc.audio.resample import StreamResampler
from svc.backends.protocols import RecognisedChunk
from svc.pipelines.live.recognition import RecognitionSession, frames_of
from svc.pipelines.live.stream_health import StreamHealth
from svc.pipelines.live.transcription_events import PartialWords, TranscriptionEvent
from svc.pipelines.live.turns import LATEST_TOKEN_FRAMES, TurnConfig, TurnEvent, TurnTracker
from svc.scoring.policy import Policy
from svc.types import MODEL_RATE_HZ, FloatArray

STRIDE_FRAMES = 4
# The model's frames worked on at once; longer pushes are cut, so that memory and waiting stay bounded.
MAX_BLOCK_FRAMES = 25
# The silence that is heard once the audio is over, in frames of 40 ms: for words that come late, and a little for
# activity that fades. Shorter than any turn's idle time, so that it ends no turn by itself.
TAIL_FRAMES = LATEST_TOKEN_FRAMES + 4
# Without audio for this long, by the clock on the wall, open turns are closed at the next call.
STALLED_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What the caller of a live transcription wants; without a policy nobody is matched to profiles."""

    sample_rate_hz: int
    tenant: str = "default"
    partials: bool = True
    policy: Policy | None = None
    second_pass: bool = False


class StreamFollower(Protocol):
    """Hears what the recogniser made of the stream, and says who speaks."""

    def hear(self, samples: FloatArray) -> None:
        """The next samples (N,) at 16 kHz; they come before the chunks that speak of them."""
        ...

    def follow(self, chunk: RecognisedChunk) -> None:
        """The next chunk, before its frames."""
        ...

    def attribute(self, events: list[TurnEvent], frame: int) -> list[TranscriptionEvent]:
        """The events of a frame, with who speaks, and revisions of earlier turns."""
        ...

    def speaking(self, partial: PartialWords) -> PartialWords:
        """The partial words with who speaks them."""
        ...

    def settle(self) -> list[TranscriptionEvent]:
        """Revisions, once it is told who spoke in all turns that are over."""
        ...

    def late(self, *, wait: bool) -> list[TranscriptionEvent]:
        """What became ready in the background; with `wait`, all that is under way."""
        ...

    def close(self) -> None:
        """Frees everything."""
        ...


class TranscriptionStream:
    """One live stream. Blocking, and not thread-safe: one call at a time. Memory does not grow with its length."""

    def __init__(
        self,
        session: RecognitionSession,
        follower: StreamFollower,
        *,
        options: StreamOptions,
        turns: TurnConfig | None = None,
        numbers: Iterator[int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`numbers` gives the turn_ids, which a follower that makes turns of its own takes from, too."""
        self.options = options
        self._session = session
        self._follower = follower
        self._turns = TurnTracker(
            session.units, frame_s=session.frame_s, delay_s=session.delay_s, config=turns, numbers=numbers
        )
        self._health = StreamHealth(options.sample_rate_hz)
        self._resampler = StreamResampler(options.sample_rate_hz, MODEL_RATE_HZ)
        self._config = FilterbankConfig()
        self._filterbank = StreamingFilterbank(self._config)
        self._mels = np.zeros((0, self._config.num_mels), np.float32)
        self._num_received = 0
        self._num_samples = 0
        self._partials: dict[int, PartialWords] = {}
        self._closed = False
        self._clock = clock
        self._last_audio_s = clock()

    def push(self, samples: FloatArray) -> list[TranscriptionEvent]:
        """The next samples (N,) at the source's rate; none at all to fetch what became ready in the background, and to
        have the turns closed of a stream whose audio has stopped.

        Raises AudioNotFiniteError or AudioFormatError, and then it is as if the call had not been made; what the models
        raise.
        """
        self._check(samples)
        self._num_received += len(samples)
        events: list[TranscriptionEvent] = [*self._health.push(samples), *self._close_stalled(samples)]
        step = self.options.sample_rate_hz * MAX_BLOCK_FRAMES * STRIDE_FRAMES // 100
        for start in range(0, len(samples), step):
            events += self._advance(self._resampler.push(samples[start : start + step]))
        return events + self._follower.late(wait=False)

    def flush(self) -> list[TranscriptionEvent]:
        """Closes the open turns now, and waits for who spoke; what the model has yet to say of them opens new ones."""
        return self._attributed(self._turns.flush()) + self._follower.settle() + self._follower.late(wait=False)

    def close(self) -> list[TranscriptionEvent]:
        """The end of the audio: all that is left, also what is under way in the background. Frees the stream."""
        if self._closed:
            return []
        try:
            return self._finish()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Frees everything at once; of a closed stream, too."""
        if self._closed:
            return
        self._closed = True
        self._session.close()
        self._follower.close()

    def _check(self, samples: FloatArray) -> None:
        if self._closed:
            raise ValueError("the stream is closed")
        check_values(samples, self._num_received, self.options.sample_rate_hz, field="audio")

    def _close_stalled(self, samples: FloatArray) -> list[TranscriptionEvent]:
        """Audio that has stopped coming ends no turn by itself: its clock stands still."""
        now_s = self._clock()
        if len(samples):
            self._last_audio_s = now_s
        elif now_s - self._last_audio_s >= STALLED_S and self._turns.open_turns:
            return self._attributed(self._turns.flush())
        return []

    def _finish(self) -> list[TranscriptionEvent]:
        events = self._advance(self._resampler.flush())
        self._turns.end_at(self._num_samples / MODEL_RATE_HZ)
        if self._num_samples:
            tail_samples = TAIL_FRAMES * STRIDE_FRAMES * self._config.hop_samples
            events += self._advance(np.zeros(self._num_missing() + tail_samples, np.float32), beyond=True)
            events += self._follow(self._session.finish())
        events += self._attributed(self._turns.flush())
        return events + self._follower.late(wait=True)

    def _num_missing(self) -> int:
        """Samples of silence that complete the block the last sample is in."""
        hop_samples, window_samples = self._config.hop_samples, self._config.window_samples
        block_samples = STRIDE_FRAMES * hop_samples
        num_blocks = -(-self._num_samples // block_samples)
        return num_blocks * block_samples + window_samples - hop_samples - self._num_samples

    def _advance(self, samples: FloatArray, *, beyond: bool = False) -> list[TranscriptionEvent]:
        """The next samples at 16 kHz; `beyond` the end of the audio they do not count."""
        self._num_samples += 0 if beyond else len(samples)
        self._follower.hear(samples)
        mels = self._filterbank.push(samples)
        self._mels = np.concatenate([self._mels, mels]) if len(self._mels) else mels
        events: list[TranscriptionEvent] = []
        while len(self._mels) >= STRIDE_FRAMES:
            num_frames = min(len(self._mels) // STRIDE_FRAMES, MAX_BLOCK_FRAMES) * STRIDE_FRAMES
            block, self._mels = self._mels[:num_frames], self._mels[num_frames:]
            events += self._follow(self._session.recognise(block))
        return events

    def _follow(self, chunk: RecognisedChunk) -> list[TranscriptionEvent]:
        self._follower.follow(chunk)
        events: list[TranscriptionEvent] = []
        pending = [bool(tokens) for tokens in chunk.partial]
        for each in frames_of(chunk):
            found = self._turns.step(each.frame, each.emitted, each.activity, pending=pending)
            events += self._follower.attribute(found, each.frame)
        return events + self._changed_partials(chunk) if self.options.partials else events

    def _attributed(self, found: list[TurnEvent]) -> list[TranscriptionEvent]:
        return self._follower.attribute(found, self._turns.frame)

    def _changed_partials(self, chunk: RecognisedChunk) -> list[TranscriptionEvent]:
        """The partial words of each open turn whose texts have changed."""
        now = {
            turn_id: PartialWords(turn_id=turn_id, words=words)
            for turn_id, words in self._turns.unstable_words(chunk.partial).items()
        }
        before, self._partials = self._partials, now
        nothing = PartialWords(turn_id=0, words=())
        changed = [partial for turn_id, partial in now.items() if texts(partial) != texts(before.get(turn_id, nothing))]
        return [self._follower.speaking(partial) for partial in changed]


def texts(partial: PartialWords) -> tuple[str, ...]:
    return tuple(word.text for word in partial.words)


class SilentFollower:
    """Attributes nothing: every word is by UNKNOWN."""

    def hear(self, samples: FloatArray) -> None:
        """Keeps nothing."""

    def follow(self, chunk: RecognisedChunk) -> None:
        """Keeps nothing."""

    def attribute(self, events: list[TurnEvent], frame: int) -> list[TranscriptionEvent]:
        """As they are: their speaker is UNKNOWN already."""
        return [*events]

    def speaking(self, partial: PartialWords) -> PartialWords:
        return partial

    def settle(self) -> list[TranscriptionEvent]:
        return []

    def late(self, *, wait: bool) -> list[TranscriptionEvent]:
        return []

    def close(self) -> None:
        """Nothing to free."""
