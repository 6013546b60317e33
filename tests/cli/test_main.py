"""The entry point: what the base install says, and what a quick command does not load."""

import subprocess
import sys

import pytest

import svc.__main__
from svc.__main__ import main

HEAVY = ("torch", "numpy", "onnxruntime", "pyannote", "speechbrain", "faiss")
PRINT_HEAVY_MODULES = f"""
import sys
from svc.cli.app import app
app(["--help"], standalone_mode=False)
print("loaded:", *[name for name in {HEAVY} if name in sys.modules])
"""


def test_the_base_install_names_the_command_that_completes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(svc.__main__, "find_spec", lambda name: None if name == "typer" else object())
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "pip install 'equivox[server]', from a checkout '.[server]'" in capsys.readouterr().err


def test_help_loads_no_model_runtime() -> None:
    run = subprocess.run([sys.executable, "-c", PRINT_HEAVY_MODULES], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1].strip() == "loaded:"
