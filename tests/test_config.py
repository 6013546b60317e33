"""Typed configuration: what TOML may say and what is refused, by name."""

from dataclasses import dataclass, field, fields
from math import nan
from pathlib import Path
from typing import Any, Literal

import pytest

from svc.config import EquivoxConfig, TranscriptionConfig, load_settings, parse_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    rate: float = 1.0
    last_rate: float = 0.5

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name must not be empty")
        if self.last_rate > self.rate:
            raise ValueError("need last_rate <= rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    stages: tuple[Stage, ...] = ()
    words: tuple[str, ...] = ()
    first: Stage | None = None
    limit: float | None = None
    span_s: tuple[float, int] = (0.0, 1)
    how: Literal["fast", "slow"] = "fast"
    last: Stage = field(default_factory=lambda: Stage(name="end"))


def test_lists_of_tables_become_tuples_of_dataclasses() -> None:
    plan = parse_config(Plan, {"stages": [{"name": "a", "rate": 2}, {"name": "b"}], "words": ["x"]})
    assert plan.stages == (Stage(name="a", rate=2.0), Stage(name="b"))
    assert plan.words == ("x",)


def test_a_pair_is_a_list_of_two_and_each_of_its_kind() -> None:
    plan = parse_config(Plan, {"span_s": [1, 2], "how": "slow"})
    assert (plan.span_s, plan.how) == ((1.0, 2), "slow")


def test_an_empty_path_is_no_way_to_say_none() -> None:
    with pytest.raises(ValueError, match=r"server\.tokens_file must be a path, got an empty one: leave it out"):
        parse_config(EquivoxConfig, {"server": {"tokens_file": ""}})


def test_an_optional_table_is_none_until_it_is_there() -> None:
    assert parse_config(Plan, {}).first is None
    assert parse_config(Plan, {"first": {"name": "a"}, "limit": 3}) == Plan(first=Stage(name="a"), limit=3.0)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"stages": [{"name": "a"}, {"nam": "b"}]}, r"stages\[1\]\.nam"),
        ({"stages": {"name": "a"}}, "stages must be a list"),
        ({"words": [1]}, r"words\[0\] must be str"),
        ({"span_s": [1.0]}, "span_s must be a list of 2"),
        ({"how": "well"}, "how must be one of 'fast', 'slow'"),
        ({"last": 3}, "last must be a table"),
        ({"frist": {}}, "frist"),
        ({"stages": [{"rate": 1.0}]}, r"^missing stages\[0\]\.name$"),
        ({"last": {"name": ""}}, r"^last\.name must not be empty$"),
        ({"last": {"name": "a", "rate": 0.1}}, r"^last: need last_rate <= rate$"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_config(Plan, table)


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
