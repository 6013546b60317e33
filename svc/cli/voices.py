"""equivox embed | verify | identify | diarize: commands about voices in audio."""

from pathlib import Path
from typing import Annotated

import typer

from equivox import DiarizationResult, DiarizeOptions
from equivox.client import DIARIZE_TIMEOUT_S
from equivox.stream_audio import MAX_UINT32
from svc.cli import render
from svc.cli.inputs import UsageError, check_out, check_policy_used, to_clip, to_policy, to_voice
from svc.cli.output import to_json, uri_of, write_whole
from svc.cli.session import Session, command
from svc.cli.timeline import show_diarization

app = typer.Typer()
VOICE = "An audio file, profile:ID, or embedding:FILE written by `equivox embed --out`."
Voice = Annotated[str, typer.Argument(help=VOICE, show_default=False)]
Audio = Annotated[Path, typer.Argument(help="WAV, FLAC, OGG or MP3, 8 to 48 kHz.", show_default=False)]
# Of the 8 that audio may have.
LAST_CHANNEL = 7
Channel = Annotated[
    int | None, typer.Option(min=0, max=LAST_CHANNEL, help="Channel to read, from 0, when a file has several.")
]
TestChannel = Annotated[
    int | None, typer.Option(min=0, max=LAST_CHANNEL, help="Of the test, where it is not --channel's.")
]
Policy = Annotated[str | None, typer.Option(help="balanced, strict or lenient; else the configured default.")]
COSTS = "PRIOR,FALSE_ACCEPT,FALSE_REJECT[,BAND]"
CostsOption = Annotated[str | None, typer.Option("--costs", metavar=COSTS, help="Your own prior and costs instead.")]


@command(app)
def embed(
    session: Session,
    clip: Audio,
    *,
    out: Annotated[Path | None, typer.Option(help="Write the embedding here, as JSON.")] = None,
    channel: Channel = None,
) -> None:
    """Turn a clip into a voice embedding.

    The embedding can be kept and compared later, with no audio:

        equivox embed anna.wav --out anna.json
        equivox verify embedding:anna.json call.wav
    """
    check_out(out)
    clip_source = to_clip(clip, channel)
    with session.busy("embedding"):
        result = session.open_client().embed(clip_source)
    if out:
        write_whole(out, to_json(result), mode=0o600)  # a voiceprint
    session.show(result, lambda console: render.show_embed(console, result))


@command(app)
def verify(
    session: Session,
    enrolment: Voice,
    test: Voice,
    *,
    policy: Policy = None,
    costs: CostsOption = None,
    channel: Channel = None,
    test_channel: TestChannel = None,
) -> None:
    """Is this the same person? Answers ACCEPT, REJECT or INCONCLUSIVE with a calibrated LLR.

    The exit code tells whether the comparison could be made (0), not how it came out: read `decision` of --json.

        equivox verify anna-1.wav anna-2.flac
        equivox verify profile:anna call.wav --policy strict
        equivox verify profile:anna call.wav --costs 0.01,10,1 --server voice:50051 --json
    """
    sides = to_voice(enrolment, channel), to_voice(test, channel if test_channel is None else test_channel)
    chosen = to_policy(policy, costs)
    with session.busy("comparing"):
        result = session.open_client().verify(*sides, policy=chosen)
    session.show(result, lambda console: render.show_verification(console, result))


@command(app)
def identify(
    session: Session,
    voice: Voice,
    *,
    max_matches: Annotated[int, typer.Option(min=1, max=100, help="Most matches to show.")] = 5,
    profile: Annotated[list[str] | None, typer.Option(help="Search only this profile; repeat for more.")] = None,
    policy: Policy = None,
    costs: CostsOption = None,
    channel: Channel = None,
) -> None:
    """Which enrolled person is this, if any? Open set: the answer may be nobody.

    equivox identify call.wav
    equivox identify call.wav --profile anna --profile bob --policy lenient
    """
    source = to_voice(voice, channel)
    chosen = to_policy(policy, costs)
    with session.busy("searching"):
        result = session.open_client().identify(
            source, max_matches=max_matches, policy=chosen, profile_ids=profile or []
        )
    session.show(result, lambda console: render.show_identification(console, result))


@command(app)
def diarize(
    session: Session,
    recording: Audio,
    *,
    speakers: Annotated[str | None, typer.Option(metavar="N|MIN-MAX", help="Number of speakers, or bounds.")] = None,
    name_them: Annotated[bool, typer.Option("--identify", help="Match speakers with the profiles.")] = False,
    policy: Policy = None,
    embeddings: Annotated[bool, typer.Option(help="With --json: an embedding per speaker.")] = False,
    rttm: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write RTTM to a file, or to stdout.")] = None,
    channel: Channel = None,
) -> None:
    """Who spoke when in a recording?

    equivox diarize meeting.wav
    equivox diarize meeting.wav --speakers 2-4 --rttm meeting.rttm
    equivox diarize meeting.wav --identify --json
    """
    check_policy_used(policy, identify=name_them)
    if rttm == "-" and session.as_json:
        raise UsageError("--rttm - and --json both want stdout: give --rttm a file")
    check_out(Path(rttm) if rttm and rttm != "-" else None)
    source, (fewest, most) = to_clip(recording, channel), to_bounds(speakers)
    exact = fewest if fewest == most else 0
    options = DiarizeOptions(
        num_speakers=exact,
        min_speakers=0 if exact else fewest,
        max_speakers=0 if exact else most,
        with_embeddings=embeddings,
        identify=name_them,
        policy=policy,
    )
    with session.busy(f"listening to {recording.name}") as report:
        result = session.open_client(report).diarize(source, options, timeout_s=session.timeout_s or DIARIZE_TIMEOUT_S)
    show_or_write(session, result, recording=recording, rttm=rttm)


def show_or_write(session: Session, result: DiarizationResult, *, recording: Path, rttm: str | None) -> None:
    """RTTM where it was asked for; and on stdout, unless that is taken, the rest."""
    lines = result.to_rttm(uri_of(recording)) if rttm else ""
    if rttm == "-":
        print(lines, end="")
        return
    if rttm:
        write_whole(Path(rttm), lines)
    session.show(result, lambda console: show_diarization(console, result))


def to_bounds(speakers: str | None) -> tuple[int, int]:
    """N or MIN-MAX, either side of which may be missing, as (fewest, most); 0 = no bound."""
    if not speakers:
        return 0, 0
    fewest, dash, most = speakers.partition("-")
    try:
        bounds = int(fewest or 0), int((most or 0) if dash else fewest)
    except ValueError:
        bounds = -1, -1
    if min(bounds) < 0 or not 0 < max(bounds) <= MAX_UINT32 or (bounds[1] and bounds[0] > bounds[1]):
        raise UsageError(f"--speakers is a number such as 2 or bounds such as 2-4, got {speakers!r}")
    return bounds
