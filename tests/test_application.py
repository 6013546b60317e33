"""What the application refuses to serve together, and how it shares out cores."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from svc.application import Application, embedder_workers, num_workers, usable_cores
from svc.config import EquivoxConfig, ModelConfig
from svc.errors import ArtifactError


@pytest.mark.parametrize(
    ("width", "embedder", "told"),
    [(256, "", "voices of width 256"), (192, "adapted", "voices of embedder adapted, not of the one served, shipped")],
)
def test_a_transcriber_that_knows_other_voices_is_refused(width: int, embedder: str, told: str) -> None:
    recogniser = SimpleNamespace(voice_width=width, voice_embedder=embedder)
    application = SimpleNamespace(
        stream_batcher=SimpleNamespace(recogniser=recogniser),
        embedder=SimpleNamespace(dimension=192, fingerprint="shipped"),
    )
    with pytest.raises(ArtifactError, match=told):
        Application.transcriber.func(application)  # type: ignore[attr-defined]


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


def test_no_library_reports_who_uses_it(tmp_path: Path) -> None:
    """ONNX Runtime keeps an id of the machine in the home folder, for what it sends; in CI it would not."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    program = "import svc.application, svc.backends.campplus, svc.backends.silero, svc.backends.pyannote"
    subprocess.run(
        [sys.executable, "-c", program], env=environment | {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}, check=True
    )
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()] == []
