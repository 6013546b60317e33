"""Every command against a real channel: what is sent, what people see, what programs read."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from equivox import Client
from svc.backends.store import ModelStore
from svc.cli.inputs import UsageError
from svc.cli.serve import with_addresses
from svc.cli.session import Session
from svc.config import EquivoxConfig
from svc.profiles.sqlite import SqliteProfileStore
from tests.cli.conftest import Run
from tests.client.toy_server import Recorder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "clip.wav").write_bytes(b"RIFF....")
    return tmp_path / "clip.wav"


COMMANDS = {
    "embed": ["embed", "CLIP"],
    "verify": ["verify", "CLIP", "profile:anna"],
    "identify": ["identify", "CLIP"],
    "diarize": ["diarize", "CLIP"],
    "create": ["profiles", "create", "anna", "--consent", "t"],
    "enroll": ["profiles", "enroll", "anna", "CLIP", "CLIP"],
    "get": ["profiles", "get", "anna"],
    "list": ["profiles", "list"],
    "delete": ["profiles", "delete", "anna", "--yes"],
    "export": ["profiles", "export", "anna"],
    "loaded": ["models", "loaded"],
    "card": ["models", "card", "campplus"],
    "fairness": ["models", "fairness", "campplus"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_json_is_one_document_and_nothing_else(arguments: list[str], remote: Run, clip: Path) -> None:
    result = remote(*[clip if argument == "CLIP" else argument for argument in arguments], "--json")
    assert result.exit_code == 0, result.output
    json.loads(result.stdout)
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_people_get_something_to_read(arguments: list[str], remote: Run, clip: Path) -> None:
    result = remote(*[clip if argument == "CLIP" else argument for argument in arguments])
    assert result.exit_code == 0, result.output
    assert len(result.stdout) > 3


@pytest.mark.parametrize(("file", "text"), [("audit.html", "<p>"), ("audit.json", '{"form": 2}')])
def test_an_audit_is_written_as_page_or_as_report(file: str, text: str, remote: Run, tmp_path: Path) -> None:
    result = remote("models", "fairness", "campplus", "--out", tmp_path / file)
    assert result.exit_code == 0, result.output
    assert (tmp_path / file).read_text() == text


def test_verify_shows_decision_number_and_reason(remote: Run, clip: Path) -> None:
    shown = remote("verify", clip, clip).stdout
    assert "INCONCLUSIVE  LLR -1.50 nats against a threshold of +0.50 (policy balanced)" in shown
    assert "NEAR_THRESHOLD: the LLR lies close to the threshold" in shown


def test_verify_ends_well_whatever_the_decision(remote: Run, clip: Path) -> None:
    result = remote("verify", clip, clip, "--json")
    assert json.loads(result.stdout)["decision"] == "inconclusive"
    assert result.exit_code == 0


def test_a_lone_profiles_infinite_margin_is_null_in_json(remote: Run, clip: Path) -> None:
    match = json.loads(remote("identify", clip, "--json").stdout)["matches"][0]
    assert (match["profile_id"], match["margin"]) == ("anna", None)


def test_options_reach_the_server(remote: Run, recorder: Recorder, clip: Path) -> None:
    remote("verify", clip, clip, "--costs", "0.01,10,1,0.5", "--channel", 1)
    request = recorder.requests[0]
    assert (request.policy.costs.prior, request.policy.costs.inconclusive_band) == (0.01, 0.5)
    assert request.test.audio.channel == 1


@pytest.mark.parametrize(
    ("speakers", "sent"),
    [("2", (2, 0, 0)), ("2-4", (0, 2, 4)), ("-3", (0, 0, 3)), ("2-", (0, 2, 0)), ("2-2", (2, 0, 0))],
)
def test_speakers_are_a_number_or_bounds(
    speakers: str, sent: tuple[int, ...], remote: Run, recorder: Recorder, clip: Path
) -> None:
    remote("diarize", clip, f"--speakers={speakers}")
    request = recorder.requests[0]
    assert (request.num_speakers, request.min_speakers, request.max_speakers) == sent


def test_an_embedding_written_by_one_command_is_read_by_another(
    remote: Run, recorder: Recorder, clip: Path, tmp_path: Path
) -> None:
    remote("embed", clip, "--out", tmp_path / "anna.json")
    remote("verify", f"embedding:{tmp_path / 'anna.json'}", "profile:bob")
    sent = recorder.requests[-1]
    assert list(sent.enrolment.embedding.values) == pytest.approx([0.6, 0.8])
    assert sent.test.profile_id == "bob"


def test_rttm_goes_to_a_file_or_to_stdout(remote: Run, clip: Path, tmp_path: Path) -> None:
    line = "SPEAKER clip 1 1.000 1.500 <NA> <NA> S0 <NA> <NA>\n"
    assert remote("diarize", clip, "--rttm", "-").stdout == line
    remote("diarize", clip, "--rttm", tmp_path / "out.rttm")
    assert (tmp_path / "out.rttm").read_text() == line


def test_a_recording_named_by_blanks_has_a_name_in_rttm(remote: Run, clip: Path) -> None:
    nameless = clip.rename(clip.with_name("  .wav"))
    assert remote("diarize", nameless, "--rttm", "-").stdout.startswith("SPEAKER recording 1 ")


@pytest.mark.parametrize(
    "arguments",
    [["embed", "CLIP", "--out"], ["diarize", "CLIP", "--rttm"], ["profiles", "export", "anna", "--out"]]
    + [["transcribe", "CLIP", f"--{name}"] for name in ("rttm", "stm", "ctm", "srt")]
    + [["models", "fairness", "campplus", "--out"]],
    ids=" ".join,
)
def test_a_file_without_its_folder_is_refused_before_anything_is_asked(
    arguments: list[str], remote: Run, recorder: Recorder, clip: Path, tmp_path: Path
) -> None:
    result = remote(*[clip if each == "CLIP" else each for each in arguments], tmp_path / "none" / "out")
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}" in result.stderr
    assert recorder.requests == []


def test_each_side_of_a_comparison_may_have_a_channel_of_its_own(remote: Run, recorder: Recorder, clip: Path) -> None:
    remote("verify", clip, clip, "--channel", "1")
    remote("verify", clip, clip, "--channel", "1", "--test-channel", "0")
    sent = [(each.enrolment.audio.channel, each.test.audio.channel) for each in recorder.requests]
    assert sent == [(1, 1), (1, 0)]


def test_export_writes_a_file_for_its_owner_alone(remote: Run, tmp_path: Path) -> None:
    remote("profiles", "export", "anna", "--out", tmp_path / "anna.json")
    assert json.loads((tmp_path / "anna.json").read_text())["enrolments"][0]["enrolment_id"] == 7
    assert (tmp_path / "anna.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode_before", [None, 0o600, 0o644])
def test_embed_writes_a_voiceprint_for_its_owner_alone(
    mode_before: int | None, remote: Run, clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "anna.json"
    if mode_before:
        out.touch(mode_before)
    remote("embed", clip, "--out", out)
    assert len(json.loads(out.read_text())["embedding"]["values"]) == 2
    assert out.stat().st_mode & 0o777 == 0o600


def test_delete_asks_first(remote: Run, recorder: Recorder) -> None:
    assert remote("profiles", "delete", "anna").exit_code == 1
    assert recorder.requests == []


def test_the_token_of_the_environment_is_sent(remote: Run, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIVOX_TOKEN", "secret")
    remote("profiles", "list")
    assert recorder.metadata[0]["authorization"] == "Bearer secret"


def test_a_token_goes_out_in_clear_where_that_is_asked_for() -> None:
    with Session(server="voice.example:1", token="secret", insecure_token=True).open_client() as client:
        assert isinstance(client, Client)


def test_a_name_for_the_certificate_means_that_there_is_one(remote: Run, recorder: Recorder) -> None:
    result = remote("profiles", "list", "--tls-name", "voice.example", "--timeout", "1")
    assert (result.exit_code, recorder.requests) == (1, [])


def test_a_failure_is_one_line_with_reason_and_exit_code_1(remote: Run, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.NOT_FOUND]
    result = remote("profiles", "get", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: told to fail (NOT_FOUND)\n"


def test_a_failure_is_json_for_programs(remote: Run, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.NOT_FOUND]
    result = remote("profiles", "get", "nobody", "--json")
    assert json.loads(result.stderr)["error"]["code"] == "NOT_FOUND"


def test_an_unreachable_server_says_what_to_check(run: Run) -> None:
    result = run("profiles", "list", "--server", "localhost:1", "--timeout", "1")
    assert result.exit_code == 1
    assert "is `equivox serve` running at localhost:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["embed", "nowhere.wav"], "no such file: nowhere.wav"),
        (["verify", "profile:a", "embedding:nowhere.json"], "nowhere.json"),
        (["verify", "profile:", "profile:b"], "write profile:ID"),
        (["verify", "profile:a", "embedding:"], "write embedding:FILE"),
        (["verify", "profile:a", "profile:b", "--costs", "1"], "PRIOR,FALSE_ACCEPT"),
        (["verify", "profile:a", "profile:b", "--costs", "1,1,1", "--policy", "strict"], "not both"),
        (["profiles", "create", "--consent", "t", "--expires", "soon"], "90d"),
        (["profiles", "list", "--config", "nowhere.toml"], "nowhere.toml"),
        (["profiles", "list", "--server", "voice.example:1", "--token", "t"], "to voice.example:1: give --tls-ca"),
        (["profiles", "list", "--server", "voice.example:1", "--token", "t"], "--insecure-token"),
        (["profiles", "list", "--server", "voice.example:1", "--tls-key", "k.pem"], "both certificate and key"),
        (["models", "pull", "--source", "nowhere"], "a folder"),
        (["profiles", "create"], "--consent"),
        (["profiles", "list", "--server", "localhost:1", "--token", "t\n"], "strip it"),
        (["diarize", "CLIP", "--policy", "strict"], "give --identify too"),
        (["transcribe", "CLIP", "--policy", "strict"], "give --identify too"),
        (["transcribe", "CLIP", "--rate", "8000", "--channels", "1"], "--rate, --channels: only of raw samples"),
        (["transcribe", "CLIP", "--encoding", "s16le"], "--encoding: only of raw samples on stdin (-)"),
        (["embed", "/dev/null"], "/dev/null is not a regular file"),
    ],
)
def test_misuse_names_the_remedy_and_exits_2(arguments: list[str], remedy: str, run: Run, clip: Path) -> None:
    result = run(*(clip if each == "CLIP" else each for each in arguments))
    assert result.exit_code == 2
    assert remedy in result.stderr


def test_a_pipe_is_read_as_a_file(remote: Run, recorder: Recorder, clip: Path, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_bytes, clip.read_bytes())
        assert remote("embed", pipe).exit_code == 0
        written.result()
    assert recorder.requests[0].audio.container == clip.read_bytes()


def test_profiles_are_backed_up_and_restored(run: Run, tmp_path: Path) -> None:
    config, copy = tmp_path / "e.toml", tmp_path / "copy.sqlite3"
    config.write_text(f'[profiles]\ndatabase = "{tmp_path / "p.sqlite3"}"\n')
    assert run("profiles", "create", "anna", "--consent", "t", "--config", config).exit_code == 0
    assert run("profiles", "backup", copy, "--config", config).exit_code == 0
    assert "name another file" in run("profiles", "backup", copy, "--config", config).stderr
    assert run("profiles", "delete", "anna", "--yes", "--config", config).exit_code == 0
    assert run("profiles", "restore", copy, "--config", config).exit_code == 1  # nobody said yes
    assert "anna" not in run("profiles", "list", "--config", config).stdout
    assert run("profiles", "restore", copy, "--yes", "--config", config).exit_code == 0
    assert "anna" in run("profiles", "list", "--config", config).stdout


def test_a_database_is_sealed_with_another_key(run: Run, tmp_path: Path) -> None:
    config, key = tmp_path / "e.toml", tmp_path / "new.key"
    config.write_text(plain := f'[profiles]\ndatabase = "{tmp_path / "p.sqlite3"}"\n')
    assert run("profiles", "create", "anna", "--consent", "t", "--config", config).exit_code == 0
    assert run("profiles", "new-key", key).exit_code == 0
    told = run("profiles", "rekey", key, "--config", config)
    assert told.exit_code == 0
    assert "sealed 1 profiles" in " ".join(told.stdout.split())
    assert "encrypted with another key" in " ".join(run("profiles", "list", "--config", config).stderr.split())
    config.write_text(f'{plain}key_file = "{key}"\n')
    assert "anna" in run("profiles", "list", "--config", config).stdout


def test_a_first_database_is_restored_without_asking(run: Run, tmp_path: Path) -> None:
    SqliteProfileStore(tmp_path / "copy.sqlite3", key=None).close()
    (tmp_path / "e.toml").write_text(f'[profiles]\ndatabase = "{tmp_path / "new" / "p.sqlite3"}"\n')
    assert run("profiles", "restore", tmp_path / "copy.sqlite3", "--config", tmp_path / "e.toml").exit_code == 0
    assert (tmp_path / "new" / "p.sqlite3").exists()


def test_all_models_that_cannot_be_had_are_told_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(f"[models]\ncache_dir = '{tmp_path}'\n")
    result = run("models", "pull", "campplus", "whisper-tiny.en", "--offline", "--config", tmp_path / "e.toml")
    assert result.exit_code == 1
    assert "cannot pull campplus" in result.stderr
    assert "cannot pull whisper-tiny.en" in result.stderr


def test_a_damaged_graph_is_written_again_by_the_command_it_names(run: Run, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(f"[models]\ncache_dir = '{tmp_path}'\noffline = true\n")
    ModelStore(tmp_path).add_export("campplus", lambda part: part.write_bytes(b"graph")).write_bytes(b"damaged")
    export = ("models", "export", "campplus", "--config", tmp_path / "e.toml")
    assert "equivox models export campplus --force" in run(*export).stderr
    # Past the graph: now it is the weights that this cache lacks.
    assert "equivox models pull campplus" in run(*export, "--force").stderr


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_a_moment_out_of_every_calendar_is_misuse(moment: str, run: Run) -> None:
    result = run("profiles", "create", "ada", "--consent", "x", "--expires", moment)
    assert (result.exit_code, "--expires is a date" in result.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--channel", "--test-channel"])
@pytest.mark.parametrize("channel", [8, 5_000_000_000])
def test_a_channel_that_no_audio_has_is_misuse(option: str, channel: int, run: Run, clip: Path) -> None:
    result = run("verify", clip, clip, option, channel)
    assert (result.exit_code, f"'{option}'" in result.stderr) == (2, True)


@pytest.mark.parametrize("speakers", ["two", "0", "4-2", "-", "1-2-3", "99999999999", "1-99999999999"])
def test_speakers_that_make_no_sense_are_misuse(speakers: str, run: Run, clip: Path) -> None:
    result = run("diarize", clip, f"--speakers={speakers}")
    assert (result.exit_code, "2-4" in result.stderr) == (2, True)


def test_rttm_and_json_do_not_share_stdout(run: Run, clip: Path) -> None:
    assert run("diarize", clip, "--rttm", "-", "--json").exit_code == 2


def test_help_teaches_with_examples(run: Run) -> None:
    assert "equivox verify profile:anna call.wav --policy strict" in run("verify", "--help").stdout
    assert "equivox profiles enroll anna one.wav" in run("profiles", "enroll", "--help").stdout


def test_the_commands_of_the_offline_room_are_found(run: Run) -> None:
    assert "verification" in run("evaluate", "--help").stdout


def test_health_is_an_exit_code(remote: Run, run: Run) -> None:
    assert remote("health").exit_code == 0
    assert remote("health", "equivox.v1.Diarization").exit_code == 1
    assert run("health").exit_code == 2


def test_a_metrics_address_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"server\.metrics_address must be HOST:PORT"):
        with_addresses(EquivoxConfig(), None, "nohost")
