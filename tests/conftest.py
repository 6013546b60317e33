"""Fixtures every room shares: the real speech and the pulled models."""

import os
import sys
from pathlib import Path

import grpc.aio
import pytest
from hypothesis import settings

from svc.backends.store import ModelStore
from svc.config import default_cache
from svc.errors import ModelUnavailableError

ROOT = Path(__file__).parents[1]
# Held for good: when its last object is collected grpc.aio joins its poller thread, wherever the collector happens to
# run, and that thread may be waiting for the very thread that joins it.
grpc.aio.init_grpc_aio()  # type: ignore[attr-defined]  # the stubs lack it
# A developer's runs look for new examples; CI's are the same every time, so that a change is judged by what it changes.
# No example has to be quick: on a busy machine the first call of a library may take a second.
settings.register_profile("equivox", derandomize=bool(os.environ.get("CI")), deadline=None)
settings.register_profile("fast", settings.get_profile("equivox"), max_examples=20)
settings.load_profile("equivox")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws from torch's own generator does not depend on the tests before it. Who needs no torch has it
    not imported here."""
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(0)  # torch.manual_seed notes the whole stack, for graphics cards to come


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real speech. Skips where it is not at hand, but never in CI."""
    folder = Path(os.environ.get("EQUIVOX_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "manifest.csv").exists():
        message = f"no real speech at {folder}: set EQUIVOX_DATA to a folder with manifest.csv"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def store() -> ModelStore:
    """The cache with every model of the lock file; what is missing is pulled. Skips without a source, never in CI."""
    models = ModelStore(default_cache())
    try:
        for entry in models.entries():
            models.pull(entry.name)
    except ModelUnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return models
