"""What README shows callers to write is what the client takes."""

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import equivox

README = Path(__file__).parents[2] / "README.md"


def shown() -> Iterator[ast.AST]:
    """All of README's Python."""
    for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        yield from ast.walk(ast.parse(code))


def shown_calls() -> Iterator[ast.Call]:
    """Every call but those of Python's own functions: all else that README calls is the client's."""
    calls = (node for node in shown() if isinstance(node, ast.Call))
    yield from (call for call in calls if not hasattr(builtins, names_of(call)[0]))


def names_of(call: ast.Call) -> list[str]:
    return ast.unparse(call.func).split(".")


def called(call: ast.Call) -> object:
    """What the dotted name of a call stands for in the client, None where it has nothing of that name."""
    names = names_of(call)
    if names[0] == "client":
        names = ["Client", *names[1:]]
    elif names[0] == "equivox":
        names = names[1:]
    found: object = equivox
    for name in names:
        # A profiles namespace is made per client; its class has the methods.
        found = getattr(found, name, None) if name != "profiles" else type(equivox.Client("localhost:1").profiles)
    return found


def test_what_the_readme_imports_is_there() -> None:
    imports = [node for node in shown() if isinstance(node, ast.ImportFrom) and node.module == "equivox"]
    names = {name.name for node in imports for name in node.names}
    assert names
    assert names <= set(equivox.__all__)


def test_the_readme_shows_how_to_call() -> None:
    assert {"verify", "enroll", "diarize", "transcribe"} <= {names_of(call)[-1] for call in shown_calls()}


@pytest.mark.parametrize("call", list(shown_calls()), ids=ast.unparse)
def test_a_call_in_the_readme_is_one_the_client_takes(call: ast.Call) -> None:
    function = called(call)
    assert callable(function)
    parameters = inspect.signature(function)
    itself: list[None] = [None] if inspect.isfunction(function) else []
    parameters.bind(*itself, *call.args, **{keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
