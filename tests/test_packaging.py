"""What people install and throw away: the extras of pyproject.toml against what the rooms import, and `make clean`."""

import ast
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = packages_distributions()
# Of no import of ours: torch.onnx writes graphs with two, a model lies in one, and one must fit torch's build.
WITHOUT_IMPORT = {"onnx", "onnxscript", "silero-vad", "torchaudio"}
# Brought along by faster-whisper and jinja2; a peer of the evaluation, which says itself how to get it.
WITHOUT_REQUIREMENT = {"ctranslate2", "markupsafe", "pocketsphinx"}


def test_make_clean_leaves_the_results_of_studies_alone(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("out", "build", "dist"):
        (tmp_path / folder).mkdir()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["out"]


@pytest.mark.parametrize(("room", "extras"), [("svc", ["server"]), ("training", ["server", "training"])])
def test_an_extra_asks_for_what_its_room_imports_and_for_nothing_else(room: str, extras: list[str]) -> None:
    optional = PROJECT["optional-dependencies"]
    own = names_of(optional[extras[-1]])
    asked = names_of([PROJECT["name"], *PROJECT["dependencies"]]).union(
        *(names_of(optional[extra]) for extra in extras)
    )
    # A name as `google` may be of several distributions: one of them must be asked for.
    imported = [{normal(name) for name in DISTRIBUTIONS[top]} for top in imports_of(room) & DISTRIBUTIONS.keys()]
    assert [names for names in imported if not names & (asked | WITHOUT_REQUIREMENT)] == []
    assert own - set().union(*imported) <= WITHOUT_IMPORT


def names_of(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[<>=\[]", requirement)[0]) for requirement in requirements}


def normal(name: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imports_of(room: str) -> set[str]:
    """The first part of every name that is imported."""
    found: set[str] = set()
    for file in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found
