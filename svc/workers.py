"""How many of anything work side by side: as configured, else by the cores there are."""

import os

from svc.config import EquivoxConfig


def embedder_workers(config: EquivoxConfig, runtime: str) -> int:
    """Calls of the embedder at a time: torch spreads one over its threads, ONNX Runtime is told to keep to one."""
    if runtime == "onnxruntime":
        return num_workers(config)
    import torch  # seconds, but for an embedder that has it

    return 1 if torch.get_num_threads() > 1 else num_workers(config)


def num_workers(config: EquivoxConfig) -> int:
    """Embedder threads: as configured, else one for each core the process may use."""
    return config.models.threads or usable_cores()


def usable_cores() -> int:
    """Of the machine, those this process is not kept from."""
    return len(os.sched_getaffinity(os.getpid())) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
