"""A study done once for all tests of a module."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from training.studies.many_runs import Outcome


def finished_once(study: Callable[[Path], list[Outcome[Any]]], runs: Sequence[object]) -> Any:  # noqa: ANN401 - pytest's
    """A fixture: the folder of a study all of whose runs ended well."""

    @pytest.fixture(scope="module")
    def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("study")
        assert [outcome.problem for outcome in study(out)] == [None] * len(runs)
        return out

    return finished
