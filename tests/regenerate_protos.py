"""Compiles protos/equivox/v1/*.proto. usage: python -m tests.regenerate_protos OUTPUT_FOLDER"""

import sys
import sysconfig
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1] / "protos"


def regenerate(output: Path) -> None:
    """Writes the messages, stubs and their types below `output`."""
    sources = sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("equivox/v1/*.proto"))
    flags = [f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python", "mypy_grpc")]
    # Beside this interpreter, whether or not its environment is activated.
    plugin = Path(sysconfig.get_path("scripts")) / "protoc-gen-mypy_grpc"
    includes = [f"-I{ROOT}", f"-I{files('grpc_tools') / '_proto'}"]
    status = protoc.main(["protoc", f"--plugin=protoc-gen-mypy_grpc={plugin}", *includes, *flags, *sources])
    if status:
        raise RuntimeError(f"protoc exited with status {status}")


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]))
