"""The arrows between the rooms, and the freshness of generated code."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.regenerate_protos import regenerate
from tests.regenerate_tree import with_fresh_tree

ROOT = Path(__file__).parents[1]
# A room on the left imports nothing that starts with a name on the right.
RPC = {"grpc", "equivox", "svc.rpc", "svc.cli"}
MAY_NOT_IMPORT: dict[str, set[str]] = {
    "svc": {"training", "tests"},
    "svc/audio": RPC | {"svc.models", "svc.pipelines", "svc.scoring", "svc.profiles", "torch"},
    "svc/models": RPC | {"svc.audio", "svc.backends", "svc.pipelines", "svc.scoring", "svc.profiles"},
    "svc/backends": RPC | {"svc.pipelines", "svc.scoring", "svc.profiles"},
    "svc/scoring": RPC | {"svc.audio", "svc.models", "svc.pipelines", "svc.profiles", "torch"},
    "svc/profiles": RPC | {"svc.audio", "svc.models", "svc.pipelines", "torch"},
    "svc/pipelines": RPC | {"torch"},
    "svc/rpc": {"svc.cli"},
    # svc.cli is open to it: `equivox evaluate` fails as all of `equivox` does, and the demo draws what a user sees.
    "training": {"grpc", "svc.rpc", "svc.profiles", "tests"},
    "protos/equivox": {"svc", "training", "tests", "numpy", "torch"},
    # Of the standard library alone, so that client and server can share it.
    "protos/equivox_files": {"svc", "training", "tests", "numpy", "torch", "grpc", "google", "equivox", "soundfile"},
}
VAGUE_NAMES = {"utils.py", "common.py", "helpers.py", "core.py"}


def sources_of(room: str) -> list[Path]:
    return [file for file in sorted((ROOT / room).rglob("*.py")) if "_pb2" not in file.name]


@cache
def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("room", MAY_NOT_IMPORT)
def test_room_keeps_to_its_arrows(room: str) -> None:
    for file in sources_of(room):
        for name in imports_of(file):
            for forbidden in MAY_NOT_IMPORT[room]:
                assert not f"{name}.".startswith(f"{forbidden}."), f"{file.relative_to(ROOT)} imports {name}"


def test_no_import_cycle() -> None:
    graph = {module_of(file): first_party(imports_of(file)) for file in sources_of("svc") + sources_of("training")}
    done: set[str] = set()
    for module in graph:
        assert not cycle_from(module, graph, [], done)


def module_of(file: Path) -> str:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def first_party(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(("svc.", "training."))}


def cycle_from(module: str, graph: dict[str, set[str]], path: list[str], done: set[str]) -> list[str]:
    if module in path:
        return [*path, module]
    if module in done:
        return []
    for name in sorted(graph[module]):
        # `from a.b import c` is recorded as a.b.c: the module is a.b unless a.b.c is a file of its own.
        target = name if name in graph else name.rpartition(".")[0]
        if target in graph and target != module and (found := cycle_from(target, graph, [*path, module], done)):
            return found
    done.add(module)
    return []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [file for room in ("svc", "training") for file in sources_of(room) if file.name in VAGUE_NAMES]


def test_generated_code_is_what_the_protos_compile_to(tmp_path: Path) -> None:
    regenerate(tmp_path)
    fresh = {file.name: file.read_text() for file in tmp_path.rglob("*_pb2*")}
    committed = {file.name: file.read_text() for file in (ROOT / "protos/equivox/v1").glob("*_pb2*")}
    assert fresh == committed, "run `make protos`"


def test_the_tree_in_the_readme_is_the_tree() -> None:
    readme = (ROOT / "README.md").read_text()
    assert with_fresh_tree(readme) == readme, "run `make tree`"
