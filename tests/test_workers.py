"""How many work side by side."""

import os

import pytest

from svc.config import EquivoxConfig, ModelConfig
from svc.workers import embedder_workers, num_workers, usable_cores


def test_cores_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8}, raising=False)
    assert usable_cores() == num_workers(EquivoxConfig()) == 3
    assert num_workers(EquivoxConfig(models=ModelConfig(threads=2))) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 64


@pytest.mark.parametrize(
    ("runtime", "torch_threads", "workers"), [("onnxruntime", 8, 4), ("torch", 8, 1), ("torch", 1, 4)]
)
def test_an_embedder_has_the_cores_one_way_or_the_other(
    runtime: str, torch_threads: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: torch_threads)
    assert embedder_workers(EquivoxConfig(models=ModelConfig(threads=4)), runtime) == workers
