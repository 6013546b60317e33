"""`equivox evaluate ..`: judging systems on a caller's own data. `equivox` finds it through an entry point."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svc.cli.inputs import UsageError
from svc.cli.session import reporting_errors
from svc.errors import InvalidRequestError
from training.audit_options import AuditOptions, command_of
from training.command_line import check_file, check_folder, not_installed

if TYPE_CHECKING:
    from training.audit import Audit
    from training.evaluate_transcription import TranscriptionEvaluation

evaluate_app = typer.Typer(help="Error rates on your own trials and recordings, with intervals.", no_args_is_help=True)


@command_of(evaluate_app, "verification")
def evaluate_verification(asked: AuditOptions) -> None:
    """Error rates of a verifier, overall, by group and between groups, each with a 95 % interval over speakers.

    Your own trials and audio: --trials LIST --audio-root FOLDER

    Any system's scores: --scores FILE --people PEOPLE --by sex --by country --by sex+country

    VoxCeleb1: --voxceleb FOLDER --list E, with --scores FILE or with its audio

    Each recording is embedded once. Without speakers files stand for people. Any further column of the list is a group.

    Groups of under 10 people or 30 trials of a kind keep their figures, are marked, and are not compared.

    EER hides gaps, for it gives every group a threshold of its own: look at FMR and FNMR.
    """
    # Models and numpy take seconds to import, and `equivox --help` needs neither.
    from training.audit import Deployed, Groups, Material, Other, audit, write_audit
    from training.evaluate import Settings
    from training.fairness.countries import Minimum
    from training.fairness.groups import Pairs

    with _failing_alike(as_json=asked.as_json):
        with _refusing_misuse():
            check_folder(asked.out)
            if asked.voices:
                check_folder(asked.voices)
            material = Material(
                trials=asked.trials,
                audio_root=asked.audio_root,
                scores=asked.scores,
                voxceleb=asked.voxceleb,
                list_name=asked.list_name,
                config=asked.config,
                voices=asked.voices,
            )
            deployed = Deployed(threshold=asked.threshold, policy=asked.policy)
            other = Other.of(asked.against, asked.against_threshold)
        minimum = Minimum(people=asked.min_people, each_sex=asked.min_each_sex)
        groups = Groups(people=asked.people, by=tuple(asked.by or ()), pairs=Pairs(asked.pairs), minimum=minimum)
        settings = Settings(seed=asked.seed, replicas=asked.replicas or None)
        audited = audit(material, groups, deployed=deployed, other=other, settings=settings)
        report = write_audit(audited, asked.out)
    _tell(report, lambda: _print_audit(audited, asked.out), as_json=asked.as_json)


@evaluate_app.command("transcription")
def evaluate_transcription(
    references: Annotated[Path, typer.Option(help="What was said: .stm, or JSON lines of turns or words.")],
    hypotheses: Annotated[list[Path], typer.Option(help="What a system made of it, likewise; once for each system.")],
    groups: Annotated[Path | None, typer.Option(help="CSV: recording and any columns to give figures by.")] = None,
    collar_s: Annotated[float, typer.Option(min=0.001, help="Of tcpWER: how far off a word's time may be.")] = 5.0,
    out: Annotated[Path | None, typer.Option(help="File for the report as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of tables.")] = False,
) -> None:
    r"""Scores transcripts: ORC-WER, cpWER, tcpWER, turns counted, latencies, each with a 95 % interval over recordings.

    JSON lines are {"recording", "speaker", "channel", "start_s", "end_s"} and "words": [\[text, start_s, end_s], ..]
    for a turn, or "text" for a word or two. Case, punctuation and digits do not matter: both sides become spoken words.
    """
    from training.report_json import write_json

    with _failing_alike(as_json=as_json):
        if out:
            with _refusing_misuse():
                check_file(out)
        evaluations = _transcription_evaluations(references, hypotheses, groups, collar_s)
        report = {"references": references.name, "systems": [evaluation.as_json() for evaluation in evaluations]}
        if out:
            write_json(out, report)
    _tell(report, lambda: _print_transcription(evaluations), as_json=as_json)


@contextmanager
def _failing_alike(*, as_json: bool) -> Iterator[None]:
    """Ends the process as every other command of `equivox` does; what is told of no option is the data's fault."""
    with reporting_errors(as_json):
        try:
            yield
        except UsageError:
            raise
        except ModuleNotFoundError as error:
            raise InvalidRequestError(not_installed(error)) from error
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error


@contextmanager
def _refusing_misuse() -> Iterator[None]:
    """Options that can never be right, whatever the data."""
    try:
        yield
    except (InvalidRequestError, OSError) as error:
        raise UsageError(str(error)) from error


def _tell(report: Mapping[str, Any], print_tables: Callable[[], None], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        print_tables()


def _print_transcription(evaluations: "list[TranscriptionEvaluation]") -> None:
    from rich.console import Console

    from training.transcription_tables import counts_text, group_table, transcription_table

    console = Console()
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


def _print_audit(audited: "Audit", out: Path) -> None:
    from rich.console import Console

    from training.group_tables import caution_lines, change_lines, gap_lines, group_table
    from training.tables import counts_text, overall_table

    console, errors = Console(), Console(stderr=True)
    console.print(counts_text(audited.evaluation), highlight=False, markup=False)
    console.print(overall_table(audited.evaluation))
    for column, result in audited.evaluation.disaggregated.items():
        console.print()
        console.print(group_table(audited.evaluation, column))
        for line in gap_lines(result):
            console.print(f"  {line}", highlight=False, markup=False)
    for line in change_lines(audited.changes) if audited.changes else ():
        console.print(line, highlight=False, markup=False)
    for line in caution_lines(audited.evaluation):
        errors.print(line, highlight=False, markup=False)
    errors.print(f"report.html, report.json and scores.csv are in {out}", highlight=False, soft_wrap=True)
