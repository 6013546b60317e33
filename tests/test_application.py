"""What the application refuses to serve together."""

from types import SimpleNamespace

import pytest

from svc.application import Application
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
