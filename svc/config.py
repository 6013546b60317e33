"""The server's typed configuration. Every key has a default; an unknown key is an error."""

import os
import re
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

from svc.typed_config import check_at_least, check_at_most, load_config

Runtime = Literal["auto", "onnxruntime", "torch"]
# A message of gRPC holds less than 2 GiB; a mebibyte of it is for what is not audio.
MAX_REQUEST_BYTES = 2**31 - 2**20
LAST_PORT = 2**16 - 1
# gRPC takes times as milliseconds in a C int; so many seconds are 24 days.
MAX_GRPC_S = (2**31 - 1) // 1000
# More calls than one process can hold.
MAX_CALLS = 10**6


def default_cache() -> Path:
    """Where models live, which can be fetched again: $EQUIVOX_HOME, else ~/.cache/equivox."""
    return Path(os.environ.get("EQUIVOX_HOME") or "~/.cache/equivox").expanduser()


def default_database() -> Path:
    """Where voiceprints live, which cannot: in $EQUIVOX_HOME, else $XDG_DATA_HOME/equivox, ~/.local/share/equivox."""
    data = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "equivox"
    return (default_cache() if os.environ.get("EQUIVOX_HOME") else data) / "profiles.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    """Limits on what one request may carry; enforced before and while decoding."""

    # Up to twice as much is read so that the refusal can name the field; past that gRPC refuses by itself.
    max_bytes: int = 64 * 2**20
    max_duration_s: float = 3 * 3600.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "max_bytes", "max_duration_s")
        check_at_most(MAX_REQUEST_BYTES, self, "max_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which models run, and how."""

    cache_dir: Path = field(default_factory=default_cache)
    offline: bool = False
    # A name from the lock file, "speechbrain:<hub id or folder>", or "artifact:<folder>" of our own training.
    embedder: str = "campplus"
    # auto = ONNX Runtime when exported, else torch.
    runtime: Runtime = "auto"
    threads: int = 0  # 0 = one worker per core
    max_batch: int = 8
    # Longest queue of clips waiting for a worker; past it OverloadedError.
    max_queued_clips: int = 256

    def __post_init__(self) -> None:
        check_at_least(0, self, "threads")
        check_at_least(1, self, "max_batch", "max_queued_clips")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationConfig:
    """How scores become decisions."""

    # A calibration artifact; empty = the one shipped for the embedder.
    calibration: Path | None = None
    policy: str = "balanced"
    # Files of policies chosen on data (`python -m training.calibrate --policy`), to be named like ours.
    policies: tuple[Path, ...] = ()
    # Below this no voiceprint is made at all.
    min_net_speech_s: float = 0.5

    def __post_init__(self) -> None:
        check_at_least(0, self, "min_net_speech_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileConfig:
    """Where voiceprints are kept. The key file holds 32 bytes as hex or base64; see `equivox profiles new-key`."""

    database: Path = field(default_factory=default_database)
    key_file: Path | None = None
    sweep_interval_s: float = 300.0
    max_utterances: int = 20

    def __post_init__(self) -> None:
        check_at_least(0.001, self, "sweep_interval_s")
        check_at_least(1, self, "max_utterances")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionConfig:
    """Live streams: which model, how many, how fast."""

    # A transcriber artifact; empty = the one shipped.
    artifact: Path | None = None
    # Beside server.max_concurrent_calls, which counts the other calls.
    max_streams: int = 64
    # Audio of one stream that is read but not yet worked on; past it the sender is slowed down.
    max_backlog_s: float = 2.0
    # Audio seconds a second that one stream may send on average, and how much more at once; a speed of 0 = no limit.
    max_speed: float = 20.0
    max_burst_s: float = 60.0
    # Longest pause between two messages of a stream, of reflection too.
    idle_timeout_s: float = 60.0
    # Tokens the decoder weighs against each other; 1 = greedy.
    # With more than 1 the words do not depend on the size of messages, but turns closed by silence may.
    beam: int = 1
    # After so long without a word the decoder takes the next for a stream's first; 0 = never.
    forget_after_s: float = 0.8
    # Taken off the blank's logit: more than 0 hears more words and more ends of turns, and more that was not said.
    blank_penalty: float = 1.0
    # Added to the logit of a turn's end: more than 0 ends more turns, earlier, and some where nobody stopped.
    end_of_turn_bonus: float = 1.0
    # Of the encoder's arithmetic; auto = bfloat16 where the processor multiplies it faster. In bfloat16 a word that is
    # a close call can fall differently with the chunks it came in and the streams beside it; in float32 it does not.
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    # Without a second voice for so long, nobody listens to its words until it is heard again, which saves half of the
    # encoder's work; 0 = always listens. It must be longer than idle_turn_s, or the ends of turns are missed.
    second_voice_rest_s: float = 4.0
    # Cores that a step of all live streams is multiplied on. More than one pays only where many streams share a step.
    step_threads: int = 1
    # A turn the model does not end is ended after so long without a word or speech, and at the latest after so long.
    idle_turn_s: float = 1.5
    longest_turn_s: float = 60.0
    # LLRs, in nats: a turn joins a known speaker from, and founds a new one below; two speakers are one from.
    join_llr: float = 0.0
    found_llr: float = -1.0
    merge_llr: float = 4.0
    # A turn that is over is cut where another voice goes on; costs as much again as telling who spoke.
    split_turns: bool = True
    # Threads that tell voices apart while recognition goes on; 0 = it waits for them, which is slower, and the same
    # every time.
    voice_threads: int = 1
    # Closed turns may be recognised again with an open vocabulary, when their caller asks for it.
    second_pass: bool = False
    max_queued_turns: int = 32
    # How long the end of a stream waits for its second pass.
    second_pass_patience_s: float = 10.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "max_streams", "step_threads", "beam", "max_queued_turns")
        check_at_most(MAX_CALLS, self, "max_streams")
        check_at_least(0.001, self, "idle_timeout_s", "idle_turn_s", "longest_turn_s")
        check_at_least(0, self, "max_backlog_s", "max_speed", "max_burst_s", "voice_threads", "forget_after_s")
        check_at_least(0, self, "second_voice_rest_s", "second_pass_patience_s")
        check_at_least(-inf, self, "blank_penalty", "end_of_turn_bonus", "join_llr", "found_llr", "merge_llr")
        if self.found_llr > self.join_llr:
            raise ValueError(f"need found_llr <= join_llr, got {self.found_llr} and {self.join_llr}")
        if self.idle_turn_s > self.longest_turn_s:
            raise ValueError(f"need idle_turn_s <= longest_turn_s, got {self.idle_turn_s} and {self.longest_turn_s}")
        if self.second_voice_rest_s and self.second_voice_rest_s <= self.idle_turn_s:
            raise ValueError("need second_voice_rest_s > idle_turn_s, or 0 for a second voice that never rests")
        if self.max_speed and (self.max_speed < 1 or self.max_burst_s < 2):
            raise ValueError(
                "a stream must be let send in real time, and one chunk of 2 s at once: max_speed, max_burst_s"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The network side."""

    address: str = "127.0.0.1:50051"
    metrics_address: str = "127.0.0.1:9464"  # empty = no metrics endpoint
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    # With it, clients must show a certificate signed by this authority (mTLS).
    tls_client_authority: Path | None = None
    # TOML table token -> tenant. Without it every caller is tenant "default".
    tokens_file: Path | None = None
    max_concurrent_calls: int = 64
    # Of all requests being answered, as received; those still on their way are not counted. One call alone is let in.
    max_bytes_in_flight: int = 512 * 2**20
    max_streams_per_connection: int = 128
    max_connection_idle_s: float = 300.0
    keepalive_s: float = 30.0
    drain_s: float = 20.0
    # Requests a second and burst of one tenant; 0 = unlimited.
    tenant_rate_per_s: float = 0.0
    tenant_burst: int = 50

    def __post_init__(self) -> None:
        check_at_least(1, self, "max_concurrent_calls", "max_bytes_in_flight", "max_streams_per_connection")
        check_at_least(1, self, "tenant_burst")
        check_at_most(MAX_CALLS, self, "max_concurrent_calls", "max_streams_per_connection")
        # More often than once a second a slow network would look like a dead one.
        check_at_least(1, self, "max_connection_idle_s", "keepalive_s")
        check_at_most(MAX_GRPC_S, self, "max_connection_idle_s", "keepalive_s")
        check_at_least(0, self, "drain_s", "tenant_rate_per_s")
        if self.metrics_address and not is_host_port(self.metrics_address):
            raise ValueError(f"metrics_address must be HOST:PORT, or empty for none, got {self.metrics_address!r}")
        if not is_host_port(self.address) and not re.match("unix:.", self.address):
            raise ValueError(f"address must be HOST:PORT (0..{LAST_PORT}) or unix:PATH, got {self.address!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivoxConfig:
    """Everything `equivox serve --config FILE` reads; one TOML table per field."""

    audio: AudioConfig = field(default_factory=AudioConfig)
    models: ModelConfig = field(default_factory=ModelConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    profiles: ProfileConfig = field(default_factory=ProfileConfig)
    transcription: TranscriptionConfig = field(default_factory=TranscriptionConfig)
    server: ServerConfig = field(default_factory=ServerConfig)


def is_host_port(address: str) -> bool:
    """Whether it is HOST:PORT, with a port that there is."""
    host, _, port = address.rpartition(":")
    return bool(host) and port.isdecimal() and int(port) <= LAST_PORT


def load_settings(path: Path | None) -> EquivoxConfig:
    """The file's settings, the defaults without a file. Raises as `load_config` does."""
    return load_config(EquivoxConfig, path) if path else EquivoxConfig()
