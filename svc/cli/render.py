"""Results for people: colours, tables and one line that says what it means."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from equivox import (
    AudioQuality,
    Decision,
    EmbedResult,
    EnrolmentResult,
    Identification,
    LoadedModel,
    Profile,
    Reason,
    Verification,
)

STYLE_OF = {Decision.ACCEPT: "bold green", Decision.REJECT: "bold red", Decision.INCONCLUSIVE: "bold yellow"}
MEANING_OF = {
    Reason.TOO_LITTLE_SPEECH: "too little speech on a side",
    Reason.LOW_SNR: "a side is noisy",
    Reason.CLIPPED: "a side is clipped",
    Reason.NEAR_THRESHOLD: "the LLR lies close to the threshold",
    Reason.BAND_MISMATCH: "one side is telephone speech, the other wide band",
    Reason.AMBIGUOUS: "the two best profiles are too close together",
    Reason.OTHER: "a reason this version does not know",
}


def facts(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Names and values, aligned."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")  # a path that is cut is no use
    for name, value in rows:
        table.add_row(name, as_it_is(value))
    return table


def listing(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]], *, whole: Collection[str] = ()) -> Table:
    """A table with a heading; the columns `whole` are never folded, so that they can be copied."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*map(as_it_is, row))
    return table


def as_it_is(value: RenderableType) -> RenderableType:
    """What people named something may hold square brackets, and they are no markup."""
    return Text(value) if isinstance(value, str) else value


def headline(decision: Decision, llr: float, threshold_llr: float, *, policy_id: str) -> Text:
    """The decision and the numbers it rests on."""
    return Text.assemble(
        (decision.value.upper(), STYLE_OF[decision]),
        f"  LLR {llr:+.2f} nats against a threshold of {threshold_llr:+.2f} (policy {policy_id})",
    )


def show_verification(console: Console, result: Verification) -> None:
    """Decision, why, and what it rests on."""
    console.print(headline(result.decision, result.llr, result.threshold_llr, policy_id=result.policy_id))
    show_reasons(console, result.reasons)
    console.print(
        facts(
            [
                (
                    "speech",
                    f"{result.enrolment_net_speech_s:.1f} s enrolled, {result.test_net_speech_s:.1f} s in the test",
                ),
                ("raw score", f"{result.score:.3f} (for diagnosis; never threshold it)"),
                ("calibration", result.calibration_id),
                ("model", result.model_fingerprint),
            ]
        )
    )


def show_identification(console: Console, result: Identification) -> None:
    """Who it is, if anyone, and the runners-up."""
    if result.best:
        line = headline(result.decision, result.best.llr, result.threshold_llr, policy_id=result.policy_id)
        console.print(Text.assemble(line, "  ", (result.best.profile_id, "bold")))
    else:
        none = f"  none of {result.num_searched} profiles (policy {result.policy_id})"
        console.print(Text.assemble((result.decision.value.upper(), STYLE_OF[result.decision]), none))
    show_reasons(console, result.reasons)
    rows = [(m.profile_id, m.display_name, f"{m.llr:+.2f}", f"{m.margin:+.2f}") for m in result.matches]
    if rows:
        console.print(listing(("profile", "name", "LLR", "margin"), rows))
    console.print(facts([("speech", f"{result.net_speech_s:.1f} s"), ("calibration", result.calibration_id)]))


def show_reasons(console: Console, reasons: Sequence[Reason]) -> None:
    """One line a reason."""
    for reason in reasons:
        console.print(Text(f"  {reason.value.upper()}: {MEANING_OF[reason]}", style="yellow"))


def show_embed(console: Console, result: EmbedResult) -> None:
    """What was embedded, not the numbers themselves."""
    embedding = result.embedding
    rows = [
        ("embedding", f"{len(embedding.values)} values, model {embedding.model_fingerprint}"),
        *quality(result.quality),
    ]
    console.print(facts(rows))


def quality(measured: AudioQuality) -> list[tuple[str, str]]:
    """What was measured on a clip, as rows."""
    band = f"{measured.band.value} band" if measured.band else "band not measured"
    return [
        ("speech", f"{measured.net_speech_s:.1f} s of {measured.duration_s:.1f} s"),
        ("quality", f"SNR {measured.snr_db:.0f} dB, {measured.clipped_share:.1%} clipped, {band}"),
    ]


def show_profile(console: Console, profile: Profile) -> None:
    """One person."""
    console.print(
        facts(
            [
                ("profile", Text(profile.profile_id, style="bold")),
                ("name", profile.display_name),
                ("consent", profile.consent_reference),
                ("created", moment(profile.create_time)),
                ("expires", moment(profile.expire_time)),
                ("enrolled", f"{profile.num_enrolments} utterances, {profile.net_speech_s:.1f} s of speech"),
                ("model", profile.model_fingerprint or "-"),
            ]
        )
    )


def show_profiles(console: Console, profiles: Sequence[Profile]) -> None:
    """A line a person."""
    rows = [
        (
            profile.profile_id,
            profile.display_name,
            str(profile.num_enrolments),
            f"{profile.net_speech_s:.1f} s",
            moment(profile.expire_time),
            profile.consent_reference,
        )
        for profile in profiles
    ]
    console.print(listing(("profile", "name", "enrolments", "speech", "expires", "consent"), rows))
    if not rows:
        console.print("no profiles yet: equivox profiles create --consent REFERENCE", style="dim")


def show_enrolment(console: Console, result: EnrolmentResult) -> None:
    """The profile afterwards, each utterance, and what to look at."""
    rows = [
        (str(number), f"{q.net_speech_s:.1f} s", f"{q.snr_db:.0f} dB", f"{q.clipped_share:.1%}")
        for number, q in enumerate(result.qualities)
    ]
    console.print(listing(("utterance", "speech", "SNR", "clipped"), rows))
    for warning in result.warnings:
        console.print(Text(f"{warning.kind.value.upper()}: {warning.message}", style="yellow"))
    profile = result.profile
    line = f"  {profile.num_enrolments} utterances, {profile.net_speech_s:.1f} s of speech"
    console.print(Text.assemble(("ENROLLED ", "bold green"), (profile.profile_id, "bold"), line))


def show_models(console: Console, models: Sequence[LoadedModel]) -> None:
    """A line a loaded model; its card has the whole licence."""
    rows = [(model.name, model.role, model.fingerprint, model.licence.partition(":")[0]) for model in models]
    console.print(listing(("model", "role", "fingerprint", "licence"), rows, whole=("model", "role", "fingerprint")))


def moment(when: datetime | None) -> str:
    """A moment in the reader's own time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else "never"
