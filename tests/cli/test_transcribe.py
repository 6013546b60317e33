"""equivox transcribe: what programs read line by line, what people see, and the files it writes."""

import io
import json
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from rich.console import Console
from typer.testing import CliRunner

from equivox import (
    FinalWord,
    PartialWords,
    Speaker,
    SpeakerRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)
from svc.cli.app import app
from svc.cli.lanes import Lanes
from tests.cli.conftest import Run
from tests.client.toy_server import Recorder, toy_server


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "the call.wav", np.zeros(4000, np.int16), 8_000)
    return tmp_path / "the call.wav"


def test_json_is_a_line_an_event_and_the_last_holds_the_words(remote: Run, recording: Path) -> None:
    result = remote("transcribe", recording, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines[:4]] == ["stream_accepted", "turn_started", "partial_words", "final_word"]
    assert [set(word) for word in lines[-1]["words"]] == [
        {"text", "start_s", "end_s", "channel", "speaker", "profile_id", "turn_id"}
    ] * 5
    first = lines[-1]["words"][0]
    assert (first["text"], first["start_s"], first["channel"], first["speaker"]) == ("1600", 0, 1, "S0")
    assert (result.exit_code, result.stderr) == (0, "")


def test_people_see_words_in_the_lane_of_their_speaker(remote: Run, recording: Path) -> None:
    result = remote("transcribe", recording, "--chunk-ms", 250)
    header, line = [each.split() for each in result.stdout.splitlines()]
    assert header == ["time", "S0"]
    assert line == ["0", "4000", "4000"]
    assert "SILENCE: nothing heard" in result.stderr


def test_options_reach_the_server(remote: Run, recorder: Recorder, recording: Path) -> None:
    remote("transcribe", recording, "--identify", "--policy", "strict", "--second-pass", "--channel", 0)
    config = recorder.requests[0].config
    assert (config.identify, config.policy.name, config.second_pass, config.channel) == (True, "strict", True, 0)


def test_raw_samples_come_from_stdin(recorder: Recorder, run: Run) -> None:
    data = np.arange(1000, dtype="<i2").tobytes()
    with toy_server(recorder) as target:
        arguments = ["transcribe", "-", "--rate", "8000", "--channels", "2", "--channel", "1", "--server", target]
        result = CliRunner().invoke(app, arguments, input=data)
    assert result.exit_code == 0, result.output
    config = recorder.requests[0].config
    assert (config.sample_rate_hz, config.num_channels, config.channel) == (8_000, 2, 1)
    assert b"".join(request.audio for request in recorder.requests) == data


@pytest.mark.parametrize(
    ("kind", "first_line"),
    [
        ("rttm", "SPEAKER the_call 1 0.000 5.000 <NA> <NA> S0 <NA> <NA>"),
        ("stm", "the_call 2 S0 0.000 5.000 1600 1600 1600 1600 1600"),
        ("ctm", "the_call 2 0.000 0.500 1600"),
        ("srt", "1"),
    ],
)
def test_formats_go_to_files_or_to_stdout(
    remote: Run, recording: Path, tmp_path: Path, kind: str, first_line: str
) -> None:
    printed = remote("transcribe", recording, f"--{kind}", "-").stdout
    assert printed.splitlines()[0] == first_line
    remote("transcribe", recording, f"--{kind}", tmp_path / "out")
    assert (tmp_path / "out").read_text() == printed


def test_a_refusal_is_one_line_and_exit_code_1(remote: Run, recorder: Recorder, recording: Path) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    result = remote("transcribe", recording)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "told to fail" in result.stderr


TWO_WORDS = "the_call 2 UNKNOWN 0.000 1.500 1600 1600\n"


def fail_after_two_words(recorder: Recorder) -> None:
    config, first, second = None, None, None
    recorder.failures = [config, first, second, grpc.StatusCode.UNAVAILABLE]


def test_a_connection_that_breaks_costs_no_words_said_before(
    remote: Run, recorder: Recorder, recording: Path, tmp_path: Path
) -> None:
    fail_after_two_words(recorder)
    result = remote("transcribe", recording, "--stm", tmp_path / "out.stm")
    assert (result.exit_code, "told to fail" in result.stderr) == (1, True)
    assert (tmp_path / "out.stm").read_text() == TWO_WORDS
    assert result.stdout.splitlines()[-1].split()[:3] == ["0", "1600", "1600"]


def test_a_server_that_drains_costs_no_words_said_before_and_is_no_success(
    remote: Run, recorder: Recorder, recording: Path, tmp_path: Path
) -> None:
    recorder.drains_after = 2
    result = remote("transcribe", recording, "--stm", tmp_path / "out.stm")
    assert (result.exit_code, "what was said after 2.0 s is missing" in result.stderr) == (1, True)
    assert (tmp_path / "out.stm").read_text() == "the_call 2 S0 0.000 2.000 1600 1600\n"


def test_a_file_that_breaks_off_costs_no_words_said_before(remote: Run, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 80_000, np.int16)
    soundfile.write(tmp_path / "whole.flac", noise, 8_000)
    data = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    result = remote("transcribe", tmp_path / "cut.flac", "--chunk-ms", 1000, "--stm", tmp_path / "out.stm")
    assert (result.exit_code, "cut.flac: the file breaks off" in result.stderr) == (2, True)
    assert (tmp_path / "out.stm").read_text().split()[5:8] == ["16000", "384", "16000"]


def test_json_ends_with_the_words_said_before_a_connection_broke(
    remote: Run, recorder: Recorder, recording: Path
) -> None:
    fail_after_two_words(recorder)
    result = remote("transcribe", recording, "--json")
    last = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, last["event"]) == (1, "transcript")
    assert [word["text"] for word in last["words"]] == ["1600", "1600"]
    assert json.loads(result.stderr)["error"]["code"] == "UNAVAILABLE"


def test_ctrl_c_costs_no_words_said_before(
    remote: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Lanes.add

    def add_two_words(lanes: Lanes, event: TranscriptionEvent) -> None:
        add(lanes, event)
        if len(lanes.transcript.words) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Lanes, "add", add_two_words)
    result = remote("transcribe", recording, "--stm", tmp_path / "out.stm")
    assert (result.exit_code, (tmp_path / "out.stm").read_text()) == (130, TWO_WORDS)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["nowhere.wav"], "no such file"),
        (["-", "--encoding", "mp3"], "mulaw"),
        (["-", "--stm", "-", "--json"], "want stdout"),
        (["-", "--stm", "-", "--srt", "-"], "want stdout"),
        (["-", "--chunk-ms", "3000"], "2000"),
        (["-", "--rate", "-1"], "8000"),
    ],
)
def test_misuse_names_the_remedy_and_exits_2(run: Run, arguments: list[str], remedy: str) -> None:
    result = run("transcribe", *arguments)
    assert (result.exit_code, remedy in result.stderr) == (2, True)


def test_a_file_that_is_no_audio_is_misuse(remote: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not audio")
    result = remote("transcribe", tmp_path / "notes.txt")
    assert (result.exit_code, "not a WAV" in result.stderr) == (2, True)


def test_help_teaches_with_examples(run: Run) -> None:
    assert "arecord -q -f S16_LE -r 16000 -t raw | equivox transcribe -" in run("transcribe", "--help").stdout


NOBODY = Speaker(label="UNKNOWN")


def said(turn_id: int, text: str, start_s: float, speaker: Speaker = NOBODY) -> TranscribedWord:
    return TranscribedWord(
        turn_id=turn_id, text=text, start_s=start_s, end_s=start_s + 0.2, channel=turn_id % 2, speaker=speaker
    )


def drawn(*events: TranscriptionEvent, height: int = 40) -> str:
    lanes = Lanes()
    for event in events:
        lanes.add(event)
    console = Console(file=io.StringIO(), width=60, height=height, color_system=None)
    console.print(lanes.table(height))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def turn(turn_id: int, label: str, start_s: float, *texts: str) -> list[TranscriptionEvent]:
    speaker = Speaker(label=label)
    return [
        TurnStarted(turn_id=turn_id, channel=turn_id % 2, start_s=start_s),
        *(FinalWord(word=said(turn_id, text, start_s)) for text in texts),
        TurnEnded(turn_id=turn_id, end_s=start_s + 1, speaker=speaker, forced=False),
    ]


def test_two_speakers_stand_side_by_side_in_order_of_time() -> None:
    lines = drawn(*turn(1, "S1", 2.0, "later"), *turn(0, "S0", 0.5, "first")).splitlines()
    assert [line.split() for line in lines] == [["time", "S0", "S1"], ["0.5", "first"], ["2", "later"]]
    assert lines[1].index("first") == lines[0].index("S0")
    assert lines[2].index("later") == lines[0].index("S1")


def test_two_whom_nobody_can_tell_apart_stay_apart_by_channel() -> None:
    lines = drawn(*turn(0, "UNKNOWN", 0.0, "yes"), *turn(1, "UNKNOWN", 0.5, "no")).splitlines()
    assert lines[0].split() == ["time", "?", "channel", "0", "?", "channel", "1"]
    assert lines[1].index("yes") < lines[2].index("no")


def test_partial_words_are_shown_until_the_turn_ends_and_replaced_by_their_successors() -> None:
    began = TurnStarted(turn_id=0, channel=0, start_s=0.0)
    partials = [PartialWords(turn_id=0, words=(said(0, text, 0.0),)) for text in ("yell", "hello")]
    shown = drawn(began, *partials)
    assert "hello" in shown
    assert "yell" not in shown
    ended = TurnEnded(turn_id=0, end_s=1.0, speaker=NOBODY, forced=False)
    assert "hello" not in drawn(began, *partials, ended)


def test_a_revision_moves_a_turn_to_another_lane() -> None:
    revised = SpeakerRevised(turn_id=1, speaker=Speaker(label="S0"))
    lines = drawn(*turn(0, "S0", 0.0, "one"), *turn(1, "S1", 2.0, "two"), revised).splitlines()
    assert lines[0].split() == ["time", "S0"]
    assert lines[2].index("two") == lines[0].index("S0")


def test_more_speakers_than_lanes_share_the_last_by_name() -> None:
    lines = drawn(*(event for number in range(6) for event in turn(number, f"S{number}", 2.0 * number, "hi")))
    assert lines.splitlines()[0].split() == ["time", "S0", "S1", "S2", "others"]
    assert "S5: hi" in lines


def test_only_the_last_turns_are_drawn_on_a_low_terminal() -> None:
    events = [event for number in range(20) for event in turn(number, "S0", 2.0 * number, f"w{number}")]
    shown = drawn(*events, height=5)
    assert "w19" in shown
    assert "w3 " not in shown
