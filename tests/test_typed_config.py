"""Tables as dataclasses: what TOML may say and what is refused, by name."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from svc.typed_config import parse_config


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
