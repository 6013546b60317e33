"""The settings: what makes no sense is refused, by name."""

from dataclasses import fields
from math import nan
from pathlib import Path

import pytest

from svc.config import EquivoxConfig, TranscriptionConfig, load_settings
from svc.typed_config import parse_config


def test_an_empty_path_is_no_way_to_say_none() -> None:
    with pytest.raises(ValueError, match=r"server\.tokens_file must be a path, got an empty one: leave it out"):
        parse_config(EquivoxConfig, {"server": {"tokens_file": ""}})


NUMBERS = [
    (table.name, setting.name, setting.type)
    for table in fields(EquivoxConfig)
    for setting in fields(table.default_factory)  # type: ignore[arg-type]
    if setting.type in (int, float)
]


@pytest.mark.parametrize(("table", "name", "kind"), NUMBERS)
def test_every_setting_that_makes_no_sense_is_named(table: str, name: str, kind: type) -> None:
    with pytest.raises(ValueError, match=rf"{table}\.{name} must be a number"):
        parse_config(EquivoxConfig, {table: {name: nan if kind is float else -1}})


def test_a_request_larger_than_a_message_can_be_is_named() -> None:
    with pytest.raises(ValueError, match=r"^audio\.max_bytes must be at most 2146435072, got 2147483648$"):
        parse_config(EquivoxConfig, {"audio": {"max_bytes": 2**31}})


@pytest.mark.parametrize(
    "setting",
    [
        {"max_connection_idle_s": 1e7},
        {"keepalive_s": 1e7},
        {"keepalive_s": 0.01},
        {"max_streams_per_connection": 2**40},
        {"max_concurrent_calls": 2**40},
    ],
)
def test_what_grpc_could_not_hold_is_named(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"^server\.{next(iter(setting))} must be"):
        parse_config(EquivoxConfig, {"server": setting})


@pytest.mark.parametrize(
    ("variables", "models", "database"),
    [
        ({}, "/home/jo/.cache/equivox", "/home/jo/.local/share/equivox/profiles.sqlite3"),
        (
            {"EQUIVOX_HOME": "", "XDG_DATA_HOME": ""},
            "/home/jo/.cache/equivox",
            "/home/jo/.local/share/equivox/profiles.sqlite3",
        ),
        ({"XDG_DATA_HOME": "/data"}, "/home/jo/.cache/equivox", "/data/equivox/profiles.sqlite3"),
        ({"EQUIVOX_HOME": "~/voices", "XDG_DATA_HOME": "/data"}, "/home/jo/voices", "/home/jo/voices/profiles.sqlite3"),
    ],
)
def test_voiceprints_lie_in_no_cache_unless_one_place_is_named_for_all(
    variables: dict[str, str], models: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EQUIVOX_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/jo", **variables}.items():
        monkeypatch.setenv(name, value)
    config = EquivoxConfig()
    assert (str(config.models.cache_dir), str(config.profiles.database)) == (models, database)


@pytest.mark.parametrize("mistake", ["cache_dir = 3", "runtime = 'fast'", "threads = -3"])
def test_a_file_with_a_mistake_is_named_with_the_key(mistake: str, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(f"[models]\n{mistake}\n")
    with pytest.raises(ValueError, match=r"e\.toml: models\.\w+ must be"):
        load_settings(tmp_path / "e.toml")


def test_a_missing_file_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^\S*none\.toml: No such file or directory$"):
        load_settings(tmp_path / "none.toml")


@pytest.mark.parametrize("rest_s", [0.5, 1.5])
def test_a_second_voice_must_not_rest_before_its_turn_can_have_ended(rest_s: float) -> None:
    with pytest.raises(ValueError, match="second_voice_rest_s > idle_turn_s"):
        TranscriptionConfig(second_voice_rest_s=rest_s, idle_turn_s=1.5)
    assert TranscriptionConfig(second_voice_rest_s=0.0).second_voice_rest_s == 0  # never


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"join_llr": -5.0}, "need found_llr <= join_llr"),
        ({"idle_turn_s": 3.0, "longest_turn_s": 2.0}, "need idle_turn_s <= longest_turn_s"),
    ],
)
def test_settings_that_contradict_each_other_are_named(settings: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=rf"^transcription: {told}"):
        parse_config(EquivoxConfig, {"transcription": settings})


NO_ADDRESSES = ["localhost:", "nohost", ":9464", "127.0.0.1:http", "127.0.0.1:99999", "[::1]:-1"]


@pytest.mark.parametrize("address", [*NO_ADDRESSES, "unix:/run/metrics"])
def test_a_metrics_address_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=r"^server\.metrics_address must be HOST:PORT, or empty for none, got"):
        parse_config(EquivoxConfig, {"server": {"metrics_address": address}})


@pytest.mark.parametrize("address", [*NO_ADDRESSES, "", "unix:"])
def test_an_address_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=r"^server\.address must be HOST:PORT \(0\.\.65535\) or unix:PATH, got"):
        parse_config(EquivoxConfig, {"server": {"address": address}})


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:50051", "unix:/run/equivox.sock", "unix:///run/equivox.sock"])
def test_an_address_may_be_a_host_and_port_or_a_socket(address: str) -> None:
    assert parse_config(EquivoxConfig, {"server": {"address": address}}).server.address == address


@pytest.mark.parametrize("address", ["", "127.0.0.1:0", "[::1]:9464", "localhost:65535"])
def test_a_metrics_address_may_be_any_host_and_port_or_none(address: str) -> None:
    assert parse_config(EquivoxConfig, {"server": {"metrics_address": address}}).server.metrics_address == address
