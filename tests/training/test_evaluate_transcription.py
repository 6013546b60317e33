"""`equivox evaluate transcription`, from files to figures."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from svc.errors import InvalidRequestError
from tests.training.metrics.conversations import turn
from training.cli import evaluate_app
from training.data.transcripts import write_transcripts
from training.evaluate_transcription import as_spoken, evaluate_transcripts, read_groups

TRUTH = {"one": (turn("call twenty five", 0, 3),), "two": (turn("go on", 0, 1), turn("no", 2, 3, speaker="t"))}
HEARD = {"one": (turn("Call 25!", 0, 3),), "two": (turn("go in", 0, 1),)}


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    write_transcripts(tmp_path / "truth.jsonl", TRUTH)
    write_transcripts(tmp_path / "ours.jsonl", HEARD)
    write_transcripts(tmp_path / "perfect.jsonl", TRUTH)
    (tmp_path / "groups.csv").write_text("recording,room\none,small\ntwo,large\n")
    systems = ["--hypotheses", str(tmp_path / "ours.jsonl"), "--hypotheses", str(tmp_path / "perfect.jsonl")]
    return ["transcription", "--references", str(tmp_path / "truth.jsonl"), *systems]


def test_texts_are_compared_as_spoken_and_keep_their_times() -> None:
    (spoken,) = as_spoken(HEARD["one"])
    assert [word.text for word in spoken.words] == ["call", "twenty", "five"]
    assert spoken.words[2].end_s == pytest.approx(3)


def test_errors_are_counted_over_all_recordings_and_by_group() -> None:
    evaluation = evaluate_transcripts(TRUTH, HEARD, system="ours", groups={"room": {"one": "small", "two": "large"}})
    assert evaluation.overall.figures["orc_wer"].value == pytest.approx(2 / 6)
    by_room = evaluation.by_group["room"]
    assert by_room["small"].figures["orc_wer"].value == 0
    assert by_room["large"].figures["orc_wer"].value == pytest.approx(2 / 3)
    assert evaluation.overall.figures["turn_count_accuracy"].value == pytest.approx(1 / 2)


def test_a_recording_the_system_left_out_counts_as_all_missed() -> None:
    evaluation = evaluate_transcripts(TRUTH, {"one": TRUTH["one"]}, system="ours")
    assert evaluation.silent == ("two",)
    assert evaluation.overall.errors.orc.deletions == 3


def test_recordings_nobody_has_a_reference_for_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no reference: three"):
        evaluate_transcripts(TRUTH, {"three": ()}, system="ours")
    with pytest.raises(InvalidRequestError, match="no recording"):
        evaluate_transcripts({}, {}, system="ours")


def test_groups_need_a_recording_column(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("name,room\none,small\n")
    with pytest.raises(InvalidRequestError, match="no column `recording`; has name, room"):
        read_groups(tmp_path / "groups.csv")


def test_groups_may_be_saved_by_a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("recording,room\none,petit\n", encoding="utf-8-sig")
    assert read_groups(tmp_path / "groups.csv") == {"room": {"one": "petit"}}


def test_groups_in_another_encoding_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("recording,room\none,énorme\n", encoding="latin-1")
    with pytest.raises(InvalidRequestError, match="is not UTF-8: save it as UTF-8"):
        read_groups(tmp_path / "groups.csv")


def test_json_has_every_system_with_counts_and_intervals(arguments: list[str], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    extra = ["--groups", str(tmp_path / "groups.csv"), "--out", str(report), "--json"]
    answer = CliRunner().invoke(evaluate_app, [*arguments, *extra])
    assert answer.exit_code == 0, answer.output
    ours, perfect = json.loads(answer.stdout)["systems"]
    assert ours["overall"]["counts"]["orc"] == {"insertions": 0, "deletions": 1, "substitutions": 1, "words": 6}
    assert perfect["overall"]["cp_wer"] == {"value": 0.0, "ci95": [0.0, pytest.approx(1 - 0.025 ** (1 / 2))]}
    assert perfect["overall"]["start_latency_p50_s"] == {"value": None, "ci95": None}
    assert json.loads(report.read_text()) == json.loads(answer.stdout)


def test_people_get_tables_with_a_column_a_system(arguments: list[str], tmp_path: Path) -> None:
    extra = ["--groups", str(tmp_path / "groups.csv")]
    answer = CliRunner().invoke(evaluate_app, [*arguments, *extra], env={"COLUMNS": "160"})
    assert answer.exit_code == 0, answer.output
    for text in ("2 recordings, 6 words, 3 turns", "ours", "perfect", "ORC-WER %", "33.3 [", "small", "too few"):
        assert text in answer.stdout


def test_mistakes_end_with_a_message_and_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "ours.jsonl").write_text("{}\n")
    answer = CliRunner().invoke(evaluate_app, arguments)
    assert answer.exit_code == 1
    assert "ours.jsonl:1" in answer.output
