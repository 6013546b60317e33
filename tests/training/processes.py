"""Programs of the tests under torchrun."""

import os
import subprocess
import sys
from pathlib import Path


def on_processes(module: str, count: int, out: Path, *, timeout_s: float) -> None:
    """Runs `python -m module OUT` on so many processes; raises when it fails or takes too long."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, "-m", module, str(out)], check=True, env=environment, timeout=timeout_s)
