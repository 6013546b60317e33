"""`equivox evaluate ..`: judging systems on a caller's own data. `equivox` finds it through an entry point."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from training.evaluate import Evaluation, Settings
    from training.evaluate_transcription import TranscriptionEvaluation

evaluate_app = typer.Typer(help="Error rates on your own trials and recordings, with intervals.", no_args_is_help=True)


@evaluate_app.callback()
def evaluate_group() -> None:
    """Error rates on your own trials and recordings, with intervals."""


@evaluate_app.command("verification")
def evaluate_verification(
    trials: Annotated[Path, typer.Option(help="CSV: enrolment,test,target[,enrolment_speaker,test_speaker][,groups]")],
    audio_root: Annotated[Path, typer.Option(help="Folder the paths in the list are relative to.")],
    out: Annotated[Path, typer.Option(help="Folder for report.json and scores.csv.")],
    config: Annotated[Path | None, typer.Option(help="The server's TOML configuration: models, calibration.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    replicas: Annotated[int, typer.Option(min=0, help="Bootstrap draws; 0 = 1000, fewer on vast lists.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of a table.")] = False,
) -> None:
    """Scores a trial list: EER, minDCF, Cllr and minCllr, each with a 95 % interval over speakers.

    Each file is embedded once. Without speaker columns the file is the unit of the bootstrap. Any further column of the
    list is a group: the same figures are given for each of its values.
    """
    # Models and numpy take seconds to import, and `equivox --help` needs neither.
    from rich.console import Console

    from svc.errors import ServiceError
    from training.evaluate import Settings, write_report

    errors = Console(stderr=True)
    settings = Settings(seed=seed, replicas=replicas or None)
    try:
        evaluation = _evaluation(trials, audio_root, config, settings)
        write_report(evaluation, out)
    except (ServiceError, ValueError, OSError) as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(evaluation.as_json(), indent=2))
        return
    _print_figures(evaluation, Console())
    if evaluation.unheard:
        errors.print(f"{len(evaluation.unheard)} sides have too little speech; their trials count as LLR 0")
    for column in evaluation.passed_over:
        errors.print(f"column {column} has too many values to be groups and is passed over")
    errors.print(f"report.json and scores.csv are in {out}", highlight=False, soft_wrap=True)


@evaluate_app.command("transcription")
def evaluate_transcription(
    references: Annotated[Path, typer.Option(help="What was said: .stm, or JSON lines of turns or words.")],
    hypotheses: Annotated[list[Path], typer.Option(help="What a system made of it, likewise; once for each system.")],
    groups: Annotated[Path | None, typer.Option(help="CSV: recording and any columns to give figures by.")] = None,
    collar_s: Annotated[float, typer.Option(min=0.001, help="Of tcpWER: how far off a word's time may be.")] = 5.0,
    out: Annotated[Path | None, typer.Option(help="File for the report as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of tables.")] = False,
) -> None:
    """Scores transcripts: ORC-WER, cpWER, tcpWER, turns counted, latencies, each with a 95 % interval over recordings.

    JSON lines are {"recording", "speaker", "channel", "start_s", "end_s"} and "words": [[text, start_s, end_s], ..] for
    a turn, or "text" for a word or two. Case, punctuation and digits do not matter: both sides become spoken words.
    """
    from rich.console import Console

    from svc.errors import ServiceError
    from training.report_json import write_json

    try:
        evaluations = _transcription_evaluations(references, hypotheses, groups, collar_s)
        report = {"references": references.name, "systems": [evaluation.as_json() for evaluation in evaluations]}
        if out:
            write_json(out, report)
    except (ServiceError, ValueError, OSError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    _print_transcription(evaluations, Console())


def _print_transcription(evaluations: "list[TranscriptionEvaluation]", console: "Console") -> None:
    from training.transcription_tables import counts_text, group_table, transcription_table

    console.print(counts_text(evaluations[0].overall), highlight=False)
    console.print(transcription_table(evaluations))
    if evaluations[0].by_group:
        console.print(group_table(evaluations))
    for evaluation in evaluations:
        if evaluation.silent:
            console.print(f"{evaluation.system}: no word of {len(evaluation.silent)} recordings", highlight=False)


def _transcription_evaluations(
    references: Path, hypotheses: list[Path], groups: Path | None, collar_s: float
) -> "list[TranscriptionEvaluation]":
    from training.data.transcripts import read_transcripts
    from training.evaluate_transcription import evaluate_transcripts, read_groups

    truth, columns = read_transcripts(references), read_groups(groups) if groups else {}
    return [
        evaluate_transcripts(truth, read_transcripts(path), system=path.stem, groups=columns, collar_s=collar_s)
        for path in hypotheses
    ]


def _print_figures(evaluation: "Evaluation", console: "Console") -> None:
    from training.tables import counts_text, groups_table, overall_table

    console.print(counts_text(evaluation), highlight=False)
    console.print(overall_table(evaluation))
    if evaluation.by_group:
        console.print(groups_table(evaluation))


def _evaluation(trials: Path, audio_root: Path, config: Path | None, settings: "Settings") -> "Evaluation":
    from svc.application import build_application
    from svc.config import load_settings
    from training.data.segments import SegmentReader
    from training.data.trial_list import read_trials
    from training.evaluate import check_both_kinds, evaluate
    from training.systems import equivox_system
    from training.tables import progress_over

    listed = read_trials(trials)
    check_both_kinds(listed)
    application = build_application(load_settings(config))
    try:
        with progress_over(len(listed.sides), "recordings") as on_side:
            system, reader = equivox_system(application), SegmentReader(audio_root)
            return evaluate(listed, system, reader, settings=settings, on_side=on_side)
    finally:
        application.close()
