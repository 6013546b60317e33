"""The benchmark of transcription, on toy systems that were told what to hear."""

import json
from pathlib import Path

import numpy as np
import pytest

from svc.types import FloatArray
from tests.training.metrics.conversations import turn
from training.benchmark_transcription import CELL, Recording, Result, markdown, run, write_results
from training.data.transcripts import Transcript, read_transcripts
from training.transcribing_systems import TranscribingSystem


def recording(name: str, domain: str, text: str) -> Recording:
    return Recording(
        name=name,
        domain=domain,
        condition="clean",
        samples=np.full(16_000, len(text), np.float32),
        reference=(turn(text, 0, 1),) if text else (),
    )


RECORDINGS = [
    recording("a", "digits", "one two"),
    recording("b", "digits", "three"),
    recording("c", "read", "so it goes"),
    recording("d", "read", ""),
]


def deaf_to(missed: str) -> TranscribingSystem:
    """Knows each conversation by its level; hears nothing in one domain."""

    def transcribe(samples: FloatArray, domain: str) -> Transcript:
        by_level = {int(each.samples[0]): each.reference for each in RECORDINGS}
        return () if domain == missed else by_level[int(samples[0])]

    return TranscribingSystem(name=f"deaf to {missed}", transcribe=transcribe)


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return run([deaf_to("digits"), deaf_to("nothing")], RECORDINGS)[0]


def test_each_cell_is_scored_by_itself(results: list[Result]) -> None:
    deaf, perfect = (result.evaluation.by_group[CELL] for result in results)
    assert {cell: summary.figures["orc_wer"].value for cell, summary in deaf.items()} == {
        "digits, clean": 1.0,
        "read, clean": 0.0,
    }
    assert {summary.figures["orc_wer"].value for summary in perfect.values()} == {0.0}


def test_every_recording_counts_once_and_the_bar_moves() -> None:
    moved: list[int] = []
    (result,), _ = run([deaf_to("nothing")], iter(RECORDINGS), on_recording=lambda: moved.append(1))
    assert result.evaluation.overall.recordings == len(moved) == len(RECORDINGS)


def test_tables_show_counts_intervals_and_no_latency_of_offline_systems(results: list[Result]) -> None:
    overall, cells = markdown(results).split("\n\nORC-WER %:\n\n")
    assert "| deaf to digits | 50.0 [" in overall
    assert "| - | - |" in overall
    assert "| 0 / 3 / 0 | 6 | 3 | 4 |" in overall
    assert "| digits, clean | 2 | 3 | 100.0 [100.0, 100.0] | 0.0 [0.0, 0.0] |" in cells


def test_what_was_heard_can_be_scored_again(results: list[Result], tmp_path: Path) -> None:
    references = {each.name: each.reference for each in RECORDINGS}
    write_results(results, references, tmp_path)
    assert read_transcripts(tmp_path / "references.jsonl") == references
    assert read_transcripts(tmp_path / "deaf to nothing.jsonl") == dict(results[1].heard)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [system["system"] for system in report["systems"]] == ["deaf to digits", "deaf to nothing"]
