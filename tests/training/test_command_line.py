"""How a command of this package ends when its caller is mistaken, and when it is itself."""

import pytest

from svc.errors import InvalidRequestError
from training.command_line import mistakes_told


@pytest.mark.parametrize("mistake", [InvalidRequestError("no such split"), ValueError("no such split")])
def test_a_mistake_ends_the_program_in_one_line(mistake: Exception) -> None:
    with pytest.raises(SystemExit, match=r"^error: no such split$"), mistakes_told():
        raise mistake


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError), mistakes_told():
        _ = 1 / 0
