"""Fixtures of the pipelines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from svc.pipelines.extraction import VoiceprintExtractor
from tests.pipelines.enrolled_voices import Service
from tests.pipelines.toy_speech import ToneEmbedder, loudness_finder


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Real enrolment, verification and identification over an empty store."""
    made = Service(tmp_path / "profiles.sqlite3")
    yield made
    made.close()


@pytest.fixture
def embedder() -> ToneEmbedder:
    return ToneEmbedder()


@pytest.fixture
def extractor(embedder: ToneEmbedder) -> VoiceprintExtractor:
    return VoiceprintExtractor(embedder=embedder, speech_finder=loudness_finder(), min_net_speech_s=0.5)
