"""Live streams share one inference thread: whatever waits when it becomes free goes through the model in one step.

The thread never waits for a stream that has nothing: an idle machine answers at once, a busy one finds more streams,
and more frames of each, and so works in larger steps, which cost less per frame.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from svc.backends.chunk_pieces import MELS_PER_FRAME
from svc.backends.live_session import LiveSession
from svc.backends.protocols import RecognisedChunk, StreamRecogniser, StreamState
from svc.backends.stream_scheduler import StepShare, StreamBatchingConfig, StreamScheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step that ran, for telemetry."""

    num_streams: int
    num_frames: int  # of all
    waited_s: float  # the longest wait for it to begin
    elapsed_s: float
    num_waiting: int  # streams that have something left


class StreamBatcher(Generic[StreamState]):
    """Opens sessions, and runs the one thread that works for them all."""

    def __init__(
        self,
        recogniser: StreamRecogniser[StreamState],
        config: StreamBatchingConfig,
        *,
        on_step: Callable[[StepReport], None] | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_start` is called once by the thread itself."""
        self.recogniser = recogniser
        self.on_step = on_step
        self.on_start = on_start
        self._scheduler: StreamScheduler[StreamState] = StreamScheduler(config, frame_s=recogniser.frame_s)
        self._worker = threading.Thread(target=self._work, name="transcriber", daemon=True)
        self._worker.start()

    def open(self) -> LiveSession[StreamState]:
        """Raises OverloadedError when there are too many, CallAbandonedError once closed."""
        return LiveSession(self.recogniser, self._scheduler)

    def close(self) -> None:
        """Stops the thread; whatever still waits fails."""
        self._scheduler.close()
        self._worker.join()

    def _work(self) -> None:
        self.on_start()
        while shares := self._scheduler.next_step():
            began_s = time.monotonic()
            self._run(shares)
            self._report(shares, began_s)
            # Or a closed stream's state would live on in this frame until somebody else has something to do.
            del shares

    def _run(self, shares: Sequence[StepShare[StreamState]]) -> None:
        try:
            chunks = self._answers(shares)
        except Exception as error:
            if len(shares) == 1:
                self._scheduler.drop(shares[0].queue, error)
                return
            # One stream must not end those it happened to share a step with; their states are as they were.
            for share in shares:
                self._run([share])
            return
        self._scheduler.deliver(shares, chunks)

    def _answers(self, shares: Sequence[StepShare[StreamState]]) -> list[RecognisedChunk]:
        if not len(shares[0].mels):
            return [self.recogniser.finish(shares[0].state)]
        return self.recogniser.step([share.state for share in shares], [share.mels for share in shares])

    def _report(self, shares: Sequence[StepShare[StreamState]], began_s: float) -> None:
        if self.on_step is None:
            return
        report = StepReport(
            num_streams=len(shares),
            num_frames=sum(len(share.mels) for share in shares) // MELS_PER_FRAME,
            waited_s=began_s - min(share.submitted_s for share in shares),
            elapsed_s=time.monotonic() - began_s,
            num_waiting=self._scheduler.num_waiting_streams,
        )
        self.on_step(report)
