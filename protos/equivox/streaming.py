"""A live transcription's two sides: the requests, sent no faster than the server allows, and its events read."""

import math
import threading
import time
from collections.abc import AsyncIterable, Iterable, Iterator
from dataclasses import dataclass

from equivox import transcripts
from equivox.keep_alive import kept_alive, ordinary
from equivox.requests import PolicyLike, to_policy
from equivox.stream_audio import MAX_CHUNK_S, Control, StreamSource, cut
from equivox.v1 import transcription_pb2 as pb

# Of the speed and burst the server allows: what jitters on the way must not add up to more.
SPEED_SHARE, BURST_SHARE = 0.9, 0.5
# Of the pause after which the server gives a stream up.
KEEP_ALIVE_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeOptions:
    """What to send back, and how to send audio: in chunks of `chunk_ms`; `realtime` paces a file like a live talker."""

    partials: bool = True
    identify: bool = False
    policy: PolicyLike = None
    second_pass: bool = False
    chunk_ms: float = 100.0
    realtime: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.chunk_ms <= 1000 * MAX_CHUNK_S:
            raise ValueError(f"chunk_ms must be > 0 and <= {1000 * MAX_CHUNK_S:g}, got {self.chunk_ms}")


class LiveCall:
    """One stream under way: gRPC's threads pull requests from it while the caller's reads events through it.

    What the caller's own iterator raises ends the requests and is kept in `failure`.
    """

    def __init__(self, source: StreamSource, options: TranscribeOptions) -> None:
        if isinstance(source.pieces, AsyncIterable):
            raise TypeError("an async iterator of chunks needs AsyncClient")
        self.failure: Exception | None = None
        self._source, self._options = source, options
        self._pieces: Iterable[bytes | Control] = source.pieces
        self._config = to_config(source, options)
        self._accepted: transcripts.StreamAccepted | None = None
        self._may_send = threading.Event()
        self._over = threading.Event()

    def requests(self) -> Iterator[pb.TranscribeRequest]:
        """The config, and once it is accepted the audio."""
        yield pb.TranscribeRequest(config=self._config)
        self._may_send.wait()
        try:
            for piece in self._paced():
                yield to_request(piece)
        except GeneratorExit:
            raise
        except BaseException as error:  # whatever it is, it is the caller's to see
            self.failure = ordinary(error)

    def read(self, response: pb.TranscribeResponse) -> transcripts.TranscriptionEvent | None:
        """The event; None for one that this client is too old to know."""
        event = read_event(response)
        if isinstance(event, transcripts.StreamAccepted):
            self._accepted = event
            self._may_send.set()
        return event

    def end(self) -> None:
        """Nobody waits for events any more: the requests end too."""
        self._over.set()
        self._may_send.set()

    def _paced(self) -> Iterator[bytes | Control]:
        source = self._source
        frames = max(1, round(self._options.chunk_ms / 1000 * source.sample_rate_hz))
        pace = self._pace()
        for piece in cut(self._unbroken(), frame_bytes=source.frame_bytes, max_bytes=frames * source.frame_bytes):
            audio_s = 0.0 if isinstance(piece, Control) else len(piece) / source.bytes_per_s
            # Waits for the end of the call meanwhile, which wakes it.
            if self._over.wait(pace.wait_s(audio_s)):
                return
            yield piece

    def _unbroken(self) -> Iterable[bytes | Control]:
        """The caller's pieces, with keep-alives where they stay away for long."""
        idle_timeout_s = self._accepted.idle_timeout_s if self._accepted else 0.0
        return kept_alive(self._pieces, KEEP_ALIVE_SHARE * idle_timeout_s) if idle_timeout_s else self._pieces

    def _pace(self) -> "Pace":
        accepted = self._accepted
        if self._options.realtime:
            return Pace(1.0)
        if accepted is None or not accepted.max_speed:
            return Pace(math.inf)
        # Never below real time: a microphone would be behind for ever, and more so every second.
        speed, burst_s = max(1.0, SPEED_SHARE * accepted.max_speed), BURST_SHARE * accepted.max_burst_s
        return Pace(speed, head_start_s=burst_s, max_lag_s=burst_s / speed)


class Pace:
    """`speed` seconds of audio a second, after `head_start_s` at once. A sender that lags catches up at once, but with
    no more than `max_lag_s` of its time.
    """

    def __init__(self, speed: float, *, head_start_s: float = 0.0, max_lag_s: float = math.inf) -> None:
        self.speed = speed
        self.max_lag_s = max_lag_s
        self._due_s = time.monotonic() - head_start_s / speed

    def wait_s(self, audio_s: float) -> float:
        """How long to wait before sending these seconds, which count as sent."""
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s - self.max_lag_s) + audio_s / self.speed
        return max(0.0, self._due_s - now_s)


def to_config(source: StreamSource, options: TranscribeOptions) -> pb.TranscribeConfig:
    """The first message. TypeError for a policy that is none."""
    return pb.TranscribeConfig(
        encoding=source.encoding,
        sample_rate_hz=source.sample_rate_hz,
        num_channels=source.num_channels,
        channel=source.channel,
        partials=options.partials,
        identify=options.identify,
        policy=to_policy(options.policy),
        second_pass=options.second_pass,
    )


def to_request(piece: bytes | Control) -> pb.TranscribeRequest:
    """The message for a piece of audio, a flush or a keep-alive."""
    match piece:
        case Control.FLUSH:
            return pb.TranscribeRequest(flush=pb.Flush())
        case Control.KEEP_ALIVE:
            return pb.TranscribeRequest(keep_alive=pb.KeepAlive())
    return pb.TranscribeRequest(audio=piece)


def read_event(response: pb.TranscribeResponse) -> transcripts.TranscriptionEvent | None:
    """The event; None for one that this client is too old to know."""
    match response.WhichOneof("event"):
        case "accepted":
            return _read_accepted(response.accepted)
        case "turn_start":
            start = response.turn_start
            return transcripts.TurnStarted(
                turn_id=start.turn_id, channel=start.channel, start_s=start.start_s, cut_off=start.cut_off
            )
        case "partial":
            return transcripts.PartialWords(turn_id=response.partial.turn_id, words=_read_words(response.partial.words))
        case "word":
            return transcripts.FinalWord(word=_read_word(response.word))
        case "turn_end":
            return _read_end(response.turn_end)
        case "speaker_revision":
            revised = response.speaker_revision
            return transcripts.SpeakerRevised(turn_id=revised.turn_id, speaker=_read_speaker(revised.speaker))
        case "text_revision":
            text = response.text_revision
            end_s = text.end_s if text.HasField("end_s") else None
            return transcripts.TextRevised(turn_id=text.turn_id, words=_read_words(text.words), end_s=end_s)
        case "warning":
            return transcripts.StreamWarning(reason=response.warning.reason, message=response.warning.message)
    return None


def _read_accepted(accepted: pb.StreamAccepted) -> transcripts.StreamAccepted:
    return transcripts.StreamAccepted(
        session_id=accepted.session_id,
        algorithmic_latency_s=accepted.algorithmic_latency_s,
        model_fingerprint=accepted.model_fingerprint,
        max_speed=accepted.max_speed,
        max_burst_s=accepted.max_burst_s,
        idle_timeout_s=accepted.idle_timeout_s,
    )


def _read_end(end: pb.TurnEnd) -> transcripts.TurnEnded:
    return transcripts.TurnEnded(
        turn_id=end.turn_id, end_s=end.end_s, speaker=_read_speaker(end.speaker), forced=end.forced
    )


def _read_words(words: Iterable[pb.Word]) -> tuple[transcripts.TranscribedWord, ...]:
    return tuple(_read_word(word) for word in words)


def _read_word(word: pb.Word) -> transcripts.TranscribedWord:
    return transcripts.TranscribedWord(
        turn_id=word.turn_id,
        text=word.text,
        start_s=word.start_s,
        end_s=word.end_s,
        channel=word.channel,
        speaker=_read_speaker(word.speaker),
    )


def _read_speaker(speaker: pb.AttributedSpeaker) -> transcripts.Speaker:
    return transcripts.Speaker(
        label=speaker.label or transcripts.UNKNOWN,
        profile_id=speaker.profile_id if speaker.HasField("profile_id") else None,
        confidence=speaker.confidence,
    )
