"""Figures of transcription for people: a table on a terminal, Markdown for README."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from training.evaluate_transcription import FRACTIONS, MEASURES, TranscriptionEvaluation, TranscriptionSummary
from training.figure_text import figure_text
from training.metrics.bootstrap import Figure

TITLES = {
    "orc_wer": "ORC-WER %",
    "cp_wer": "cpWER %",
    "tcp_wer": "tcpWER %",
    "turn_count_accuracy": "turns counted right %",
    "start_latency_p50_s": "turn start late by, P50 ms",
    "start_latency_p90_s": "turn start late by, P90 ms",
    "start_early_share": "turn starts early %",
    "end_latency_p50_s": "turn end late by, P50 ms",
    "end_latency_p90_s": "turn end late by, P90 ms",
    "end_early_share": "turn ends early %",
    "word_latency_p50_s": "word late by, P50 ms",
    "word_latency_p90_s": "word late by, P90 ms",
    "word_start_error_s": "word start off by, median ms",
    "word_end_error_s": "word end off by, median ms",
}
TOO_SMALL = "too few recordings to conclude from"


def transcription_table(evaluations: Sequence[TranscriptionEvaluation]) -> Table:
    """A row per measure, a column per system; what no system has is left out."""
    small = any(evaluation.overall.too_small for evaluation in evaluations)
    notes = [*([TOO_SMALL] if small else []), *bound_notes(evaluations)]
    table = Table(caption="\n".join(notes) or None, caption_justify="left")
    table.add_column("measure")
    for evaluation in evaluations:
        table.add_column(escape(evaluation.system), justify="right", overflow="fold")
    for name in MEASURES:
        figures = [evaluation.overall.figures[name] for evaluation in evaluations]
        if any(figure.value is not None for figure in figures):
            table.add_row(TITLES[name], *(measure_text(name, figure) for figure in figures))
    return table


def group_table(evaluations: Sequence[TranscriptionEvaluation], measure: str = "orc_wer") -> Table:
    """A row per group, a column per system, of one measure."""
    table = Table(title=f"{TITLES[measure]} by group, 95 % over recordings", caption_justify="left")
    for title in ("group", "recordings", "words"):
        table.add_column(title, justify="left" if title == "group" else "right")
    for evaluation in evaluations:
        table.add_column(escape(evaluation.system), justify="right", overflow="fold")
    for column, groups in evaluations[0].by_group.items():
        table.add_section()
        table.add_row(escape(column))
        for value, summary in groups.items():
            others = [evaluation.by_group[column][value].figures[measure] for evaluation in evaluations]
            mark = " *" if summary.too_small else ""
            texts = (measure_text(measure, figure) for figure in others)
            table.add_row(escape(f"  {value}{mark}"), str(summary.recordings), str(summary.errors.orc.words), *texts)
            table.caption = f"* {TOO_SMALL}" if mark else table.caption
    return table


def bound_notes(evaluations: Sequence[TranscriptionEvaluation]) -> list[str]:
    """Of each system whose ORC-WER is not exact everywhere."""
    return [
        f"{evaluation.system}: ORC-WER of {evaluation.overall.errors.orc_bounds} recordings is an upper bound; too many"
        " words were heard"
        for evaluation in evaluations
        if evaluation.overall.errors.orc_bounds
    ]


def counts_text(summary: TranscriptionSummary) -> str:
    """What the figures rest on."""
    errors = summary.errors
    return f"{summary.recordings} recordings, {errors.orc.words} words, {errors.turns.reference} turns"


def measure_text(name: str, figure: Figure) -> str:
    """A value and its interval; fractions in percent, seconds in milliseconds."""
    scale, digits = (100, 1) if name in FRACTIONS else (1000, 0)
    return figure_text(figure, scale=scale, digits=digits)
