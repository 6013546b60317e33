"""Recipes as TOML files, which may build on one another.

    base = "encoder-study-commands.toml"
    name = "encoder-study-pretrained"

    [optimiser]
    encoder_rate = 0.2

is the recipe of the file beside it but for what it says itself: a table is merged key by key, a list of tables with
names, as [[stages]], by name, and any other value takes the place of the base's.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from svc.typed_config import faults_of, parse_config

BASE, NAME = "base", "name"

Recipe = TypeVar("Recipe")


def load_recipe(kind: type[Recipe], path: Path) -> Recipe:
    """The recipe of a file as the dataclass `kind`. Raises ValueError naming the file and the key at fault."""
    tables = read_tables(path)
    with faults_of(path):
        return parse_config(kind, tables)


def read_tables(path: Path) -> dict[str, Any]:
    """What the file says and, where it is silent, its base. Raises ValueError naming the file at fault."""
    return _read(path, ())


def _read(path: Path, built_on_it: tuple[Path, ...]) -> dict[str, Any]:
    with faults_of(path):
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    base = said.pop(BASE, None)
    if base is None:
        return said
    if not isinstance(base, str):
        raise ValueError(f"{path}: {BASE} must be the name of a recipe, got {base!r}")
    if path.resolve() in built_on_it:
        raise ValueError(f"{path}: {BASE} = {base!r} leads back to this recipe")
    try:
        return merged(_read(path.parent / base, (*built_on_it, path.resolve())), said)
    except LookupError as error:
        raise ValueError(f"{path}: {error.args[0]}") from None


def merged(base: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of `base` with what is said in their place.

    Raises LookupError for a named table `base` has not, or either has twice.
    """
    return {**base, **{key: _in_place_of(base.get(key), value, key) for key, value in said.items()}}


def _in_place_of(old: Any, new: Any, key: str) -> Any:  # noqa: ANN401 - whatever TOML holds
    if isinstance(old, dict) and isinstance(new, dict):
        return merged(old, new)
    if _have_names(old) and _have_names(new):
        return _by_name(old, new, key)
    return new


def _have_names(value: Any) -> bool:  # noqa: ANN401 - whatever TOML holds
    return isinstance(value, list) and bool(value) and all(isinstance(table, dict) and NAME in table for table in value)


def _by_name(old: list[dict[str, Any]], new: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    said, names = {table[NAME]: table for table in new}, [table[NAME] for table in old]
    for told in (names, [table[NAME] for table in new]):
        if twice := {name for name in told if told.count(name) > 1}:
            raise LookupError(f"{key} has {min(twice)!r} more than once: a table is changed by its name")
    if strangers := said.keys() - set(names):
        raise LookupError(f"{key} has no {min(strangers)!r} to change; the {BASE} has {', '.join(names)}")
    return [merged(table, said.get(table[NAME], {})) for table in old]
