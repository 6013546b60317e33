"""equivox transcribe: who says what, while they say it."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from equivox import EquivoxError, PcmStream, StreamLike, TranscribeOptions, Transcript, TranscriptionEvent
from equivox_files.errors import AudioFileError
from svc.cli.inputs import UsageError, check_out, check_policy_used, to_clip, to_policy
from svc.cli.lanes import Lanes
from svc.cli.output import to_json_line, uri_of, write_whole
from svc.cli.session import Session, command
from svc.cli.voices import Channel, Policy

app = typer.Typer()
STDIN = "-"
FRAMES_A_SECOND = 8
READ_BYTES = 4096
RAW = "Raw samples on stdin (-)"
FILES = "Files"
Recording = Annotated[str, typer.Argument(help="WAV, FLAC, OGG or MP3; - = raw samples on stdin.", show_default=False)]
Rttm = Annotated[str | None, typer.Option(metavar="FILE|-", rich_help_panel=FILES, help="Who spoke when.")]
Stm = Annotated[str | None, typer.Option(metavar="FILE|-", rich_help_panel=FILES, help="A line a turn, for scoring.")]
Ctm = Annotated[str | None, typer.Option(metavar="FILE|-", rich_help_panel=FILES, help="A line a word.")]
Srt = Annotated[str | None, typer.Option(metavar="FILE|-", rich_help_panel=FILES, help="Subtitles.")]

Rate = Annotated[
    int | None, typer.Option(min=8000, max=48_000, rich_help_panel=RAW, help="Sample rate, Hz; else 16000.")
]
Encoding = Annotated[str | None, typer.Option(rich_help_panel=RAW, help="s16le, f32le, mulaw or alaw; else s16le.")]
Channels = Annotated[int | None, typer.Option(min=1, max=8, rich_help_panel=RAW, help="Interleaved channels; else 1.")]


@command(app)
def transcribe(
    session: Session,
    recording: Recording,
    *,
    realtime: Annotated[bool, typer.Option(help="Send a file as fast as it was spoken.")] = False,
    chunk_ms: Annotated[float, typer.Option(min=1, max=2000, help="Audio per message.")] = 100.0,
    name_them: Annotated[bool, typer.Option("--identify", help="Match speakers with the profiles.")] = False,
    policy: Policy = None,
    second_pass: Annotated[bool, typer.Option(help="Hear closed turns again with an open vocabulary.")] = False,
    channel: Channel = None,
    rate: Rate = None,
    encoding: Encoding = None,
    channels: Channels = None,
    rttm: Rttm = None,
    stm: Stm = None,
    ctm: Ctm = None,
    srt: Srt = None,
) -> None:
    """Who says what? Words with their speakers, while people talk.

    On a terminal, a lane a speaker; grey words may still change. Two who talk at once are both kept.

        equivox transcribe call.wav --realtime
        equivox transcribe call.wav --identify --srt call.srt --stm call.stm
        arecord -q -f S16_LE -r 16000 -t raw | equivox transcribe -
        equivox transcribe - --rate 8000 --encoding mulaw --server voice:50051 < line.raw

    With --json each event is a line; the last line holds `words`: text, start_s, end_s, channel, speaker.

        equivox transcribe call.wav --json | tail -1 | jq -r '.words[].text'
    """
    files = Files(
        {"rttm": rttm, "stm": stm, "ctm": ctm, "srt": srt}, "stdin" if recording == STDIN else uri_of(Path(recording))
    )
    files.check(session)
    check_policy_used(policy, identify=name_them)
    audio = to_stream(recording, channel, {"rate": rate, "encoding": encoding, "channels": channels})
    options = TranscribeOptions(
        identify=name_them,
        policy=to_policy(policy, None),
        second_pass=second_pass,
        chunk_ms=chunk_ms,
        realtime=realtime,
    )
    run(session, audio, options, files=files)


def to_stream(recording: str, channel: int | None, layout: Mapping[str, Any]) -> StreamLike:
    """Raw samples of this layout on stdin, else a file, which tells its own. UsageError for a layout of a file's."""
    given = {name: value for name, value in layout.items() if value is not None}
    if recording != STDIN:
        if given:
            options = ", ".join(f"--{name}" for name in given)
            raise UsageError(f"{options}: only of raw samples on stdin (-), {recording} tells its own")
        return to_clip(Path(recording), channel)
    return PcmStream(
        chunks=stdin_chunks(),
        sample_rate_hz=given.get("rate", 16_000),
        encoding=given.get("encoding", "s16le"),
        num_channels=given.get("channels", 1),
        channel=channel,
    )


def run(session: Session, audio: StreamLike, options: TranscribeOptions, *, files: "Files") -> None:
    """Shows what is said and then writes it; what was said so far is not lost with the connection, or where the file
    breaks off.
    """
    try:
        events = session.open_client().transcribe(audio, options, timeout_s=session.timeout_s)
    except ValueError as error:
        raise UsageError(str(error)) from error
    lanes = Lanes()
    try:
        follow(session, events, lanes, quiet=files.on_stdout)
        lanes.transcript.check_heard_to_end()
    except (EquivoxError, AudioFileError, KeyboardInterrupt) as error:
        if lanes.transcript.turns:
            finish(session, lanes, files)
        if isinstance(error, AudioFileError):
            raise UsageError(str(error)) from error
        raise
    finish(session, lanes, files)


@dataclass(frozen=True, slots=True)
class Files:
    """Formats asked for, each with its file or - for stdout."""

    asked: dict[str, str | None]
    uri: str

    @property
    def on_stdout(self) -> str:
        """The format that is to go there, if one is."""
        return next((name for name, file in self.asked.items() if file == STDIN), "")

    def check(self, session: Session) -> None:
        """Raises UsageError when two things want stdout, or a file can never be written."""
        wanting = [f"--{name} -" for name, file in self.asked.items() if file == STDIN]
        wanting += ["--json"] * session.as_json
        if len(wanting) > 1:
            raise UsageError(f"{' and '.join(wanting)} all want stdout: give all but one a file")
        for file in self.asked.values():
            check_out(Path(file) if file and file != STDIN else None)

    def write(self, transcript: Transcript) -> None:
        """Each whole, or not at all."""
        from svc.pipelines.transcript import to_ctm, to_srt, to_stm, transcript_to_rttm  # numpy: only when needed

        formats: dict[str, Callable[[], str]] = {
            "rttm": lambda: transcript_to_rttm(transcript.turns, self.uri),
            "stm": lambda: to_stm(transcript.turns, self.uri),
            "ctm": lambda: to_ctm(transcript.turns, self.uri),
            "srt": lambda: to_srt(transcript.turns),
        }
        for name, file in self.asked.items():
            if file == STDIN:
                print(formats[name](), end="")
            elif file:
                write_whole(Path(file), formats[name]())


def follow(session: Session, events: Iterator[TranscriptionEvent], lanes: Lanes, *, quiet: str) -> None:
    """Shows each event as it comes: a line of JSON, or the lanes drawn anew on a terminal."""
    with drawing(lanes, wanted=not (session.as_json or quiet) and sys.stdout.isatty()):
        for event in events:
            lanes.add(event)
            if session.as_json:
                print(to_json_line({"event": event_name(event), **to_fields(event)}), flush=True)


@contextmanager
def drawing(lanes: Lanes, *, wanted: bool) -> Iterator[None]:
    """Draws the lanes for as long as it lasts; they are gone afterwards."""
    if not wanted:
        yield
        return
    with Live(lanes, refresh_per_second=FRAMES_A_SECOND, transient=True):
        yield


def finish(session: Session, lanes: Lanes, files: Files) -> None:
    """The whole transcript: to the files, and on stdout unless that is taken."""
    transcript = lanes.transcript
    files.write(transcript)
    if session.as_json:
        print(to_json_line({"event": "transcript", **summary(transcript)}), flush=True)
    elif not files.on_stdout:
        console = Console()
        console.print(lanes.table() if transcript.words else "no words were heard")
    if not session.as_json:
        for warning in transcript.warnings:
            Console(stderr=True).print(f"{warning.reason}: {warning.message}", style="yellow", markup=False)


def summary(transcript: Transcript) -> dict[str, Any]:
    """All words, each by its last known speaker."""
    words = [
        {
            "text": word.text,
            "start_s": round(word.start_s, 3),
            "end_s": round(word.end_s, 3),
            "channel": word.channel,
            "speaker": word.speaker.label,
            "profile_id": word.speaker.profile_id,
            "turn_id": word.turn_id,
        }
        for word in transcript.words
    ]
    accepted = transcript.accepted
    return {"session_id": accepted.session_id if accepted else "", "num_turns": len(transcript.turns), "words": words}


def event_name(event: TranscriptionEvent) -> str:
    """FinalWord -> final_word."""
    name = type(event).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def to_fields(event: TranscriptionEvent) -> dict[str, Any]:
    """The event's own fields."""
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def stdin_chunks() -> Iterator[bytes]:
    """Bytes as they arrive."""
    stream: IO[bytes] = sys.stdin.buffer
    read = getattr(stream, "read1", stream.read)
    while chunk := read(READ_BYTES):
        yield chunk
