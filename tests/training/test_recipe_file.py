"""A recipe with a base is the base but for what it says, at any depth, and what cannot be meant is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.recipe_file import load_recipe, merged, read_tables

WHOLE = """
name = "whole"
seed = 1
[optimiser]
rate = 1.0
clip = 5.0
[[stages]]
name = "words"
steps = 10
mixtures = {domains = ["phrases", "digits"], room = 0.3}
[[stages]]
name = "turns"
steps = 20
"""
names = st.text("abcde", min_size=1, max_size=2)
plain = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
tables = st.recursive(
    st.dictionaries(names, plain, max_size=3), lambda inner: st.dictionaries(names, plain | inner, max_size=3)
)


def written(folder: Path, **recipes: str) -> Path:
    """The last of them; `base` names another without its ending."""
    for name, text in recipes.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / f"{list(recipes)[-1]}.toml"


def test_what_a_recipe_says_takes_the_place_of_its_bases(tmp_path: Path) -> None:
    small = """
    base = "whole.toml"
    name = "small"
    [optimiser]
    clip = 1.0
    [[stages]]
    name = "words"
    mixtures = {domains = ["commands"]}
    """
    assert read_tables(written(tmp_path, whole=WHOLE, small=small)) == {
        "name": "small",
        "seed": 1,
        "optimiser": {"rate": 1.0, "clip": 1.0},
        "stages": [
            {"name": "words", "steps": 10, "mixtures": {"domains": ["commands"], "room": 0.3}},
            {"name": "turns", "steps": 20},
        ],
    }


def test_a_base_may_have_a_base(tmp_path: Path) -> None:
    path = written(tmp_path, whole=WHOLE, less='base = "whole.toml"\nseed = 2', least='base = "less.toml"\nname = "x"')
    assert (read_tables(path)["seed"], read_tables(path)["name"]) == (2, "x")
    assert read_tables(path)["stages"] == read_tables(tmp_path / "whole.toml")["stages"]


@given(tables)
def test_nothing_said_changes_nothing(base: dict[str, Any]) -> None:
    assert merged(base, {}) == base
    assert merged(base, base) == base


@given(tables, tables)
def test_all_that_is_said_holds(base: dict[str, Any], said: dict[str, Any]) -> None:
    both = merged(base, said)
    assert merged(both, said) == both
    assert both.keys() == base.keys() | said.keys()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('base = "none.toml"', r"none\.toml: No such file"),
        ("base = 3", r"small\.toml: base must be the name of a recipe, got 3"),
        ('base = "small.toml"', r"base = 'small\.toml' leads back to this recipe"),
        ('base = "whole.toml"\n[[stages]]\nname = "wrods"', r"small\.toml: stages has no 'wrods' .* words, turns"),
        ('base = "whole.toml"' + 2 * '\n[[stages]]\nname = "words"', r"small\.toml: stages has 'words' more than once"),
        ("base = ", r"small\.toml: Invalid value"),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_meant_is_told(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_tables(written(tmp_path, whole=WHOLE, small=wrong))


def test_of_a_base_that_says_a_name_twice_none_can_be_changed(tmp_path: Path) -> None:
    twice = 2 * '[[stages]]\nname = "words"\n'
    with pytest.raises(ValueError, match=r"small\.toml: stages has 'words' more than once"):
        read_tables(written(tmp_path, whole=twice, small='base = "whole.toml"\n[[stages]]\nname = "words"'))


def test_an_empty_list_takes_the_place_of_the_bases(tmp_path: Path) -> None:
    assert read_tables(written(tmp_path, whole=WHOLE, small='base = "whole.toml"\nstages = []'))["stages"] == []


@dataclass(frozen=True, kw_only=True)
class Toy:
    name: str
    seed: int = 0


def test_a_key_no_recipe_has_is_told_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, whole='name = "whole"\nsede = 1', small='base = "whole.toml"\nseed = 2')
    with pytest.raises(ValueError, match=r"small\.toml: unknown key sede; known here: name, seed"):
        load_recipe(Toy, path)
    assert load_recipe(Toy, written(tmp_path, whole='name = "whole"', small='base = "whole.toml"\nseed = 2')).seed == 2
