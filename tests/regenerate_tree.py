"""Writes the tree of README.md from the first sentence of every file. usage: python -m tests.regenerate_tree"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("protos/equivox", "protos/equivox_files", "svc", "training")
START, END = "<!-- tree: make tree -->\n```\n", "```\n<!-- end of tree -->"
PHRASE_COLUMN = 36


def tree() -> str:
    """The rooms that ship, a phrase per file."""
    return "".join(f"{line}\n" for room in ROOMS for line in lines_of(ROOT / room, depth=0))


def lines_of(folder: Path, *, depth: int) -> Iterator[str]:
    """The folder, its files, its folders."""
    name = str(folder.relative_to(ROOT)) if depth == 0 else folder.name
    yield entry(f"{name}/", phrase_of(folder / "__init__.py"), depth)
    for file in sorted(folder.glob("*.p*")):
        if file.suffix in (".py", ".proto") and file.name != "__init__.py" and "_pb2" not in file.name:
            yield entry(file.name, phrase_of(file), depth + 1)
    for child in sorted(folder.iterdir()):
        if (child / "__init__.py").exists():
            yield from lines_of(child, depth=depth + 1)


def entry(name: str, phrase: str, depth: int) -> str:
    return f"{'  ' * depth + name:<{PHRASE_COLUMN}}{phrase}".rstrip()


def phrase_of(file: Path) -> str:
    """The first sentence of its docstring or leading comment."""
    if not file.exists():
        return ""
    text = file.read_text()
    if file.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    else:
        text = " ".join(line.removeprefix("// ") for line in text.splitlines() if line.startswith("//"))
    first = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", first)[0].rstrip(".")


def with_fresh_tree(readme: str) -> str:
    """README with its tree written anew. Raises ValueError when the markers are gone."""
    before, rest = readme.split(START)
    _, after = rest.split(END)
    return f"{before}{START}{tree()}{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_fresh_tree(path.read_text()))
