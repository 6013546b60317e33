"""What live streams tell the operators while they last: calls tell theirs only at the end, which may be hours away."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from svc.backends.stream_batching import StepReport
from svc.pipelines.live.transcription_events import FinalWord, PartialWords, TranscriptionEvent, TurnEnded, TurnStarted
from svc.rpc.call import Call

Result = TypeVar("Result")
FIRST_WORD_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
STEP_BUCKETS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)
# Arrivals remembered per stream: of chunks of 10 ms, the last 40 s.
MAX_ARRIVALS = 4096


class StreamMetrics:
    """The series of all streams of one server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("equivox_streams_open", "Live streams under way", registry=registry)
        self.audio = Counter("equivox_stream_audio_seconds", "Seconds of audio streams sent", registry=registry)
        self.work = Counter("equivox_stream_work_seconds", "Seconds spent on steps of streams", registry=registry)
        self.words = Counter("equivox_stream_words", "Final words", registry=registry)
        self.turns = Counter("equivox_stream_turns", "Turns ended", ["forced"], registry=registry)
        self.first_word = Histogram(
            "equivox_stream_first_word_seconds",
            "From the arrival of the end of a turn's first word to the first event with it",
            buckets=FIRST_WORD_BUCKETS_S,
            registry=registry,
        )
        self.step_streams = Histogram(
            "equivox_stream_step_streams", "Streams in a model step", buckets=STEP_BUCKETS, registry=registry
        )
        self.step_wait = Histogram(
            "equivox_stream_step_wait_seconds",
            "Longest wait of a step's audio for the model",
            buckets=FIRST_WORD_BUCKETS_S,
            registry=registry,
        )

    def on_step(self, report: StepReport) -> None:
        """Called by the transcriber's thread after each step."""
        self.step_streams.observe(report.num_streams)
        self.step_wait.observe(report.waited_s)

    @contextmanager
    def metering(self, call: Call | None) -> Iterator["StreamMeter"]:
        """A meter for one stream, which counts as open meanwhile."""
        self.open.inc()
        try:
            yield StreamMeter(self, call)
        finally:
            self.open.dec()


class StreamMeter:
    """Measures one stream."""

    def __init__(self, metrics: StreamMetrics, call: Call | None) -> None:
        self.metrics = metrics
        self.call = call
        self.audio_s = 0.0
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=MAX_ARRIVALS)  # (seconds of audio, when)
        self._turns_with_words: set[int] = set()
        self._cut_off: set[int] = set()

    def on_audio(self, audio_s: float, at_s: float) -> None:
        """Called as each chunk is decoded, with when it arrived, on time.monotonic's clock: it may have waited."""
        self.audio_s += audio_s
        self._arrivals.append((self.audio_s, at_s))
        self.metrics.audio.inc(audio_s)
        if self.call:
            self.call.audio_s += audio_s

    def timing(self, work: Callable[[], Result]) -> Result:
        """`work()`, whose time counts as the stream's."""
        started_s = time.perf_counter()
        try:
            return work()
        finally:
            elapsed_s = time.perf_counter() - started_s
            self.metrics.work.inc(elapsed_s)
            if self.call:
                self.call.work_s += elapsed_s

    def on_event(self, event: TranscriptionEvent) -> None:
        """Called as each event goes out."""
        match event:
            case TurnStarted(turn_id=turn_id, cut_off=True):
                self._cut_off.add(turn_id)
            case FinalWord(word=word) if word.turn_id in self._cut_off:
                # It was counted when it was said.
                pass
            case PartialWords(turn_id=turn_id, words=words) if words:
                self._on_words(turn_id, words[0].end_s)
            case FinalWord(word=word):
                self.metrics.words.inc()
                self._on_words(word.turn_id, word.end_s)
            case TurnEnded(turn_id=turn_id, forced=forced):
                self.metrics.turns.labels(str(forced).lower()).inc()
                self._turns_with_words.discard(turn_id)
                self._cut_off.discard(turn_id)

    def _on_words(self, turn_id: int, end_s: float) -> None:
        if turn_id in self._turns_with_words:
            return
        self._turns_with_words.add(turn_id)
        for audio_s, at_s in self._arrivals:
            if audio_s >= end_s:
                self.metrics.first_word.observe(time.monotonic() - at_s)
                return
