"""The benchmark of transcription, on toy systems that were told what to hear."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from svc.artifact import load_artifact, save_artifact
from svc.errors import InvalidRequestError
from svc.types import FloatArray
from tests.training.metrics.conversations import turn
from training.benchmark_transcription import Recording, run
from training.data.transcripts import Transcript, read_transcripts
from training.metrics.resampling import pooled_figure
from training.transcribing_systems import TranscribingSystem
from training.transcription_results import CELL, Result, main, markdown, read_results, write_results


def recording(name: str, domain: str, text: str) -> Recording:
    return Recording(
        name=name,
        domain=domain,
        samples=np.full(16_000, len(text), np.float32),
        reference=(turn(text, 0, 1),) if text else (),
    )


RECORDINGS = [
    recording("digits-clean-00", "digits", "one two"),
    recording("digits-clean-01", "digits", "three"),
    recording("read-clean-00", "read", "so it goes"),
    recording("read-clean-01", "read", ""),
]


def deaf_to(missed: str) -> TranscribingSystem:
    """Knows each conversation by its level; hears nothing in one domain."""

    def transcribe(samples: FloatArray, domain: str) -> Transcript:
        by_level = {int(each.samples[0]): each.reference for each in RECORDINGS}
        return () if domain == missed else by_level[int(samples[0])]

    return TranscribingSystem(name=f"deaf to {missed}", transcribe=transcribe)


def reporting(transcribe: Callable[[FloatArray, str], Transcript]) -> Callable[[FloatArray, str], Transcript]:
    """Each border told 0.3 s late."""
    return lambda samples, domain: tuple(
        replace(heard, started_at_s=heard.start_s + 0.3, ended_at_s=heard.end_s + 0.3)
        for heard in transcribe(samples, domain)
    )


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Of intervals, which are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.metrics.transcription.pooled_figure", partial(pooled_figure, replicas=20))
        yield


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


def test_tables_show_counts_intervals_and_turns_of_what_is_live_alone(results: list[Result]) -> None:
    overall, cells = markdown(results).split("\n\nORC-WER %:\n\n")
    assert "| deaf to digits | 50.0 [" in overall
    assert "Turns of" not in cells
    live = TranscribingSystem(name="live", transcribe=reporting(deaf_to("nothing").transcribe), live=True)
    (told,) = run([live], RECORDINGS)[0]
    assert "Turns of live:" in markdown([told])
    # Of two recordings a rate of 0 or 1 may be far from it; a delay that is always the same has no interval.
    none = "0.0 [0.0, 84.2]"
    ends = f"100.0 [15.8, 100.0] | 2 / 2 | 300 | 300 | {none} |"
    assert f"| digits | 3 | {none} | {none} | {none} | {ends}" in markdown([told])


def test_words_of_one_that_hears_whole_recordings_come_when_these_are_over(results: list[Result]) -> None:
    said = [word.said_at_s for turn in results[1].heard["digits-clean-00"] for word in turn.words]
    assert said
    assert all(at_s is not None and at_s >= 1.0 for at_s in said)


def test_what_was_heard_can_be_scored_again(results: list[Result], tmp_path: Path) -> None:
    references = {each.name: each.reference for each in RECORDINGS}
    for number, result in enumerate(results):
        write_results([result], references, tmp_path / str(number))
    assert read_transcripts(tmp_path / "0" / "references.jsonl") == references
    again = read_results([tmp_path / "0", tmp_path / "1"])
    assert [each.evaluation.system for each in again] == ["deaf to digits", "deaf to nothing"]
    assert markdown(again) == markdown(
        [replace(each, real_time_factor=other.real_time_factor) for each, other in zip(results, again, strict=True)]
    )


def test_results_of_other_conversations_are_not_put_side_by_side(results: list[Result], tmp_path: Path) -> None:
    references = {each.name: each.reference for each in RECORDINGS}
    write_results(results[:1], references, tmp_path / "all")
    write_results(results[:1], {"read-clean-01": ()}, tmp_path / "one")
    with pytest.raises(InvalidRequestError, match="is of other conversations"):
        read_results([tmp_path / "all", tmp_path / "one"])


def test_figures_go_into_the_card_of_what_was_served(results: list[Result], tmp_path: Path) -> None:
    references = {each.name: each.reference for each in RECORDINGS}
    served = replace(results[1], evaluation=replace(results[1].evaluation, system="equivox"))
    write_results(results[:1], references, tmp_path / "peer")
    write_results([served], references, tmp_path / "out")
    save_artifact(
        tmp_path / "artifact", {"w": np.ones(2, np.float32)}, {"kind": "transcriber", "figures": {"old": {"x": 1}}}
    )
    # What a report says of the figures is not asked, but what was heard.
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    report["systems"][0]["overall"]["orc_wer"]["value"] = 0.5
    (tmp_path / "out" / "report.json").write_text(json.dumps(report))
    peer, ours, card_option = str(tmp_path / "peer"), str(tmp_path / "out"), ["--card", str(tmp_path / "artifact")]
    with pytest.raises(SystemExit, match="equivox was heard, and there are 0"):
        main([peer, *card_option])
    main([peer, ours, *card_option])
    card = load_artifact(tmp_path / "artifact").card
    assert set(card["figures"]) == {"all", "digits, clean", "read, clean"}
    assert card["figures"]["all"]["orc_wer"] == 0
    assert card["kind"] == "transcriber"
