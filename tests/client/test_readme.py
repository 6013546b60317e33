"""What README shows callers to write is what the client takes."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import equivox

README = Path(__file__).parents[2] / "README.md"


def shown_calls() -> Iterator[ast.Call]:
    """Every call in README's Python."""
    for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        yield from (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))


def called(call: ast.Call) -> object:
    """What the dotted name of a call stands for in the client, None where it is none of it."""
    names = ast.unparse(call.func).split(".")
    if names[0] == "client":
        names = ["Client", *names[1:]]
    elif names[0] == "equivox":
        names = names[1:]
    found: object = equivox
    for name in names:
        # A profiles namespace is made per client; its class has the methods.
        found = getattr(found, name, None) if name != "profiles" else type(equivox.Client("localhost:1").profiles)
    return found


@pytest.mark.parametrize("call", list(shown_calls()), ids=ast.unparse)
def test_a_call_in_the_readme_is_one_the_client_takes(call: ast.Call) -> None:
    function = called(call)
    if not callable(function):
        pytest.skip("not of the client")
    parameters = inspect.signature(function)
    itself: list[None] = [None] if inspect.isfunction(function) else []
    parameters.bind(*itself, *call.args, **{keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
