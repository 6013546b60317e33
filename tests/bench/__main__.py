"""`python -m tests.bench [NAME..]`: all benches, or those named.

Each runs in a process of its own, so that none inherits another's memory or threads.
"""

import argparse
import subprocess
import sys
from importlib import import_module

from tests.bench.timing import show

BENCHES = {
    "throughput": "Embedding speed, 3 s clips",
    "service": "What gRPC costs",
    "identification": "Identify among many",
    "diarization": "Diarization of long recordings",
    "transcription": "Live transcription: the model",
    "live": "Live transcription over gRPC",
    "audit": "Ten million trials by group",
    "regions": "A million embeddings into 64 regions",
}


def main() -> int:
    """Exit code of the first bench that failed."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.bench")
    parser.add_argument("name", nargs="*", choices=[*BENCHES, []], help="default: all")
    names = parser.parse_args().name or list(BENCHES)
    if len(names) == 1:
        show(BENCHES[names[0]], import_module(f"tests.bench.{names[0]}").measure())
        return 0
    codes = [subprocess.run([sys.executable, "-m", "tests.bench", name], check=False).returncode for name in names]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
