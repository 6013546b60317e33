"""TOML read into frozen dataclasses: an unknown key, a missing one or a value of another type is an error by name."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from math import inf
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Config = TypeVar("Config")


def load_config(kind: type[Config], path: Path) -> Config:
    """Reads a TOML file into the dataclass `kind`. Raises ValueError naming the file and the key at fault."""
    with faults_of(path):
        return parse_config(kind, tomllib.loads(path.read_text()))


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Whatever is wrong with the file is a ValueError that begins with its name."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def parse_config(kind: type[Config], table: dict[str, Any], prefix: str = "") -> Config:
    """Builds the dataclass `kind`, nested dataclasses included, from a table of plain values."""
    hints = get_type_hints(kind)
    keys = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - keys.keys()):
        raise ValueError(f"unknown key {prefix}{unknown[0]}; known here: {', '.join(sorted(hints))}")
    needed = [name for name, each in keys.items() if each.default is MISSING and each.default_factory is MISSING]
    if missing := [f"{prefix}{name}" for name in needed if name not in table]:
        raise ValueError(f"missing {', '.join(missing)}")
    values = {name: _value(hints[name], value, f"{prefix}{name}") for name, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        # What is wrong with one key begins with its name; what is wrong with several stands behind that of the table.
        of_one = str(error).partition(" ")[0] in keys
        raise ValueError(f"{prefix}{error}" if of_one or not prefix else f"{prefix[:-1]}: {error}") from error


def _value(kind: Any, value: Any, name: str) -> Any:  # noqa: ANN401 - whatever TOML holds
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise ValueError(f"{name} must be a table, got {value!r}")
        return parse_config(kind, value, f"{name}.")
    if NoneType in (choices := get_args(kind)):  # X | None: TOML has no None, so what is there is an X
        (kind,) = (choice for choice in choices if choice is not NoneType)
        return _value(kind, value, name)
    if get_origin(kind) is Literal:
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        return value
    if get_origin(kind) is tuple:
        return _tuple(choices, value, name)
    if kind is Path and isinstance(value, str):
        if not value:
            raise ValueError(f"{name} must be a path, got an empty one: leave it out for none")
        return Path(value).expanduser()
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is not kind:
        raise ValueError(f"{name} must be {kind.__name__}, got {value!r}")
    return value


def _tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:  # noqa: ANN401 - whatever TOML holds
    """A list for tuple[X, ...], or of just that length for tuple[X, Y]."""
    wanted = "list" if Ellipsis in kinds else f"list of {len(kinds)}"
    if not isinstance(value, list) or not (Ellipsis in kinds or len(value) == len(kinds)):
        raise ValueError(f"{name} must be a {wanted}, got {value!r}")
    each_kind = [kinds[0]] * len(value) if Ellipsis in kinds else kinds
    return tuple(
        _value(kind, each, f"{name}[{number}]")
        for number, (kind, each) in enumerate(zip(each_kind, value, strict=True))
    )


def check_at_least(least: float, config: object, *names: str) -> None:
    """Raises ValueError naming the first of these settings that is less, infinite or no number."""
    for name in names:
        value = getattr(config, name)
        if not least <= value < inf:
            raise ValueError(f"{name} must be a number{f' from {least:g}' if least > -inf else ''}, got {value}")


def check_at_most(most: int, config: object, *names: str) -> None:
    """Raises ValueError naming the first of these settings that is more."""
    for name in names:
        if (value := getattr(config, name)) > most:
            raise ValueError(f"{name} must be at most {most}, got {value}")


def check_positive(config: object, *names: str) -> None:
    """Raises ValueError naming the first of these settings that is not above zero and finite."""
    for name in names:
        value = getattr(config, name)
        if not 0 < value < inf:
            raise ValueError(f"{name} must be positive, got {value}")


def check_shares(config: object, *names: str) -> None:
    """Raises ValueError naming the first of these settings that is not in 0..1."""
    for name in names:
        if not 0 <= (value := getattr(config, name)) <= 1:
            raise ValueError(f"{name} must be in 0..1, got {value}")


def check_range(least: float, most: float, config: object, *names: str) -> None:
    """Raises ValueError naming the first of these settings that is not two finite numbers, rising within the bounds."""
    for name in names:
        first, last = getattr(config, name)
        if not least <= first <= last <= most or not -inf < first <= last < inf:
            bounds = f" from {least:g}" * (least > -inf) + f" to {most:g}" * (most < inf)
            raise ValueError(f"{name} must be two rising numbers{bounds}, got {[first, last]}")
