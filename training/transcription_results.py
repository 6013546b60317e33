"""What the transcription benchmark found, as tables: words, who said them, turns and latencies.

    python -m training.transcription_results out/ours out/peers

prints those of one or more folders of training.benchmark_transcription, scored again from what each system heard, so
systems may be heard at different times. With --card ARTIFACT our figures go into the card of what was served.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svc.artifact import amend_card, named_report
from svc.errors import InvalidRequestError
from training.command_line import mistakes_told
from training.data.transcripts import Transcript, read_transcripts, write_transcripts
from training.evaluate_transcription import TranscriptionEvaluation, TranscriptionSummary, evaluate_transcripts
from training.report_json import read_json, write_json
from training.tables import markdown_table
from training.transcription_tables import bound_notes, measure_text

SERVED = "equivox"
REPORT, REFERENCES = "report.json", "references.jsonl"
FIGURES = (
    "orc_wer",
    "cp_wer",
    "tcp_wer",
    "turn_count_accuracy",
    "start_latency_p50_s",
    "start_latency_p90_s",
    "start_early_share",
    "end_latency_p50_s",
    "end_latency_p90_s",
    "end_early_share",
    "word_latency_p50_s",
    "word_latency_p90_s",
)
OVERALL = ("orc_wer", "cp_wer", "tcp_wer", "turn_count_accuracy", "word_latency_p50_s", "word_latency_p90_s")
OVERALL_TITLES = ("ORC-WER %", "cpWER %", "tcpWER %", "turns right %", "word late by, P50 ms", "P90 ms")
COUNTS = ("sub / del / ins", "words", "turns", "recordings")
WHOSE, WHOSE_TITLES = OVERALL[:4], OVERALL_TITLES[:4]
BORDERS = tuple(
    f"{border}_{measure}"
    for border in ("start", "end")
    for measure in ("latency_p50_s", "latency_p90_s", "early_share")
)
BORDER_TITLES = ("`<sot>` P50 ms", "P90 ms", "early %", "`<eot>` P50 ms", "P90 ms", "early %")
CELL, DOMAIN, CONDITION = "domain, condition", "domain", "condition"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Result:
    """One system on all conversations; `real_time_factor` is seconds, by the clock, per second of audio."""

    evaluation: TranscriptionEvaluation
    heard: Mapping[str, Transcript]
    real_time_factor: float

    def as_json(self) -> dict[str, Any]:
        return self.evaluation.as_json() | {"real_time_factor": round(self.real_time_factor, 4)}


def evaluated(
    references: Mapping[str, Transcript], heard: Mapping[str, Transcript], *, system: str, real_time_factor: float
) -> Result:
    """Overall, by domain, by condition and by both, which the names of conversations tell: domain-condition-number."""
    parts = {name: name.rsplit("-", 2) for name in references}
    cells = {name: (part[0], part[1]) for name, part in parts.items() if len(part) == 3}
    groups = {
        CELL: {name: ", ".join(cell) for name, cell in cells.items()},
        DOMAIN: {name: domain for name, (domain, _) in cells.items()},
        CONDITION: {name: condition for name, (_, condition) in cells.items()},
    }
    evaluation = evaluate_transcripts(references, heard, system=system, groups=groups)
    return Result(evaluation=evaluation, heard=heard, real_time_factor=real_time_factor)


def write_results(results: Sequence[Result], references: Mapping[str, Transcript], out: Path) -> None:
    """The report, the references and what every system heard."""
    write_json(out / REPORT, {"systems": [result.as_json() for result in results]})
    write_transcripts(out / REFERENCES, references)
    for result in results:
        write_transcripts(out / f"{result.evaluation.system}.jsonl", result.heard)


def read_results(folders: Sequence[Path]) -> list[Result]:
    """Of all folders, scored again. Raises InvalidRequestError when they are not of the same conversations."""
    references = read_transcripts(folders[0] / REFERENCES)
    results = []
    for folder in folders:
        if read_transcripts(folder / REFERENCES) != references:
            message = f"{folder} is of other conversations than {folders[0]}: give the same --domains and --per-cell"
            raise InvalidRequestError(message, field="folders")
        for name, factor in _factors(folder / REPORT):
            heard = read_transcripts(folder / f"{name}.jsonl")
            results.append(evaluated(references, heard, system=name, real_time_factor=factor))
    return results


def _factors(report: Path) -> Iterator[tuple[str, float]]:
    """Each system and its real-time factor."""
    try:
        yield from ((each["system"], float(each["real_time_factor"])) for each in read_json(report)["systems"])
    except (KeyError, TypeError, ValueError) as error:
        message = f"{report} is no report of training.benchmark_transcription: {error!r}"
        raise InvalidRequestError(message, field="folders") from error


def markdown(results: Sequence[Result]) -> str:
    """Each system over everything, ORC-WER by domain and condition, and turns of each system that tells when; 95 % over
    recordings.
    """
    overall = markdown_table(("system", *OVERALL_TITLES, "real-time factor", *COUNTS), _overall_rows(results))
    names = [result.evaluation.system for result in results]
    cells = markdown_table((CELL, "recordings", "words", *names), _cell_rows(results))
    notes = "".join(f"\n\n{note}." for note in bound_notes([result.evaluation for result in results]))
    live = [result.evaluation for result in results if _tells_when(result.evaluation.overall)]
    turns = "".join(f"\n\nTurns of {one.system}:\n\n{_turns_table(one)}" for one in live)
    return f"{overall}{notes}\n\nORC-WER %:\n\n{cells}{turns}"


def _overall_rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    for result in results:
        summary = result.evaluation.overall
        figures = _texts(summary, OVERALL)
        yield (result.evaluation.system, *figures, f"{result.real_time_factor:.2f}", *_counts(summary))


def _texts(summary: TranscriptionSummary, names: Sequence[str]) -> Iterator[str]:
    return (measure_text(name, summary.figures[name]) for name in names)


def _counts(summary: TranscriptionSummary) -> tuple[str, ...]:
    orc, turns = summary.errors.orc, summary.errors.turns
    edits = f"{orc.substitutions} / {orc.deletions} / {orc.insertions}"
    return edits, str(orc.words), str(turns.reference), str(turns.recordings)


def _cell_rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    for cell, summary in results[0].evaluation.by_group[CELL].items():
        figures = [result.evaluation.by_group[CELL][cell].figures["orc_wer"] for result in results]
        rates = (measure_text("orc_wer", figure) for figure in figures)
        yield (cell, str(summary.recordings), str(summary.errors.orc.words), *rates)


def _tells_when(summary: TranscriptionSummary) -> bool:
    return summary.figures[BORDERS[0]].value is not None


def _turns_table(evaluation: TranscriptionEvaluation) -> str:
    """Who said it, and turns, by domain and by condition."""
    header = ("of", "words", *WHOSE_TITLES, "turns true / told", *BORDER_TITLES)
    return markdown_table(header, _turns_rows(evaluation))


def _turns_rows(evaluation: TranscriptionEvaluation) -> Iterator[tuple[str, ...]]:
    for column in (DOMAIN, CONDITION):
        for value, summary in evaluation.by_group[column].items():
            turns = summary.errors.turns
            told = f"{turns.reference} / {turns.hypothesis}"
            words = str(summary.errors.orc.words)
            yield (value, words, *_texts(summary, WHOSE), told, *_texts(summary, BORDERS))


def figures_of(report: dict[str, Any]) -> dict[str, object]:
    """The report's figures of the served transcriber, by domain and condition: rates as fractions, times in seconds."""
    (ours,) = [system for system in report["systems"] if system["system"] == SERVED]
    cells = {"all": ours["overall"]} | ours["by_group"][CELL]
    return {"figures": {name: _plain(cell) for name, cell in cells.items()}}


def read_figures(path: Path) -> dict[str, object]:
    """Of a report on disk. Raises OSError, and InvalidRequestError for any other file."""
    report = read_json(path)
    try:
        return figures_of(report)
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path} is no report of training.benchmark_transcription on {SERVED}: {error!r}"
        raise InvalidRequestError(message, field="report") from error


def _figures_scored(results: Sequence[Result]) -> dict[str, object]:
    """Of the served transcriber as scored now. Raises InvalidRequestError unless it was heard once."""
    served = [result.as_json() for result in results if result.evaluation.system == SERVED]
    if len(served) != 1:
        message = f"--card needs one folder in which {SERVED} was heard, and there are {len(served)}"
        raise InvalidRequestError(message, field="card")
    return figures_of({"systems": served})


def _plain(cell: dict[str, Any]) -> dict[str, object]:
    counts = {name: cell[name] for name in ("n_recordings", "n_words", "n_turns")}
    values = {name: cell[name]["value"] for name in FIGURES if cell.get(name) and cell[name]["value"] is not None}
    return counts | values


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="the --out of training.benchmark_transcription")
    parser.add_argument("--card", type=Path, help="write the figures of equivox into the card of this artifact")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parsed(arguments)
    with mistakes_told():
        results = read_results(chosen.folders)
        print(markdown(results))
        if chosen.card:
            amend_card(chosen.card, _figures_scored(results))
            print(f"\nwrote the figures into {chosen.card}")
            if named_report(chosen.card):
                print("its fairness report is of the card as it was: measure whom it mishears again", file=sys.stderr)


if __name__ == "__main__":
    main()
