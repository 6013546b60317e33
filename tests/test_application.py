"""What the application refuses to serve together, which settings it hands on, and how it shares out cores."""

import os
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

from svc.application import Application, live_config
from svc.backends.transcriber import load_recogniser
from svc.backends.transcriber_artifact import save_transcriber
from svc.config import EquivoxConfig, ModelConfig, TranscriptionConfig
from svc.errors import ArtifactError, ModelNotFoundError, StorageError
from svc.models.encoders import ENCODER_KINDS
from svc.pipelines.live.second_pass import SecondPassDesk
from svc.pipelines.live.speaker_labels import LabelConfig
from svc.pipelines.live.stream_opening import LiveConfig
from svc.pipelines.live.turns import TurnConfig
from svc.pipelines.live.voice_changes import VoiceChangeConfig
from svc.profiles.sqlite import SqliteProfileStore
from tests.backends.test_transcriber import run
from tests.backends.toy_recogniser import UNITS, toy_mels
from tests.models.toy_transcriber import toy_transcriber
from tests.pipelines.live.test_second_pass import busy, turn
from tests.rpc.tiny_application import TinyApplication, tiny_config


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


@pytest.mark.parametrize(("split_turns", "changes"), [(True, VoiceChangeConfig()), (False, None)])
def test_the_settings_of_turns_and_speakers_reach_the_pipeline(
    split_turns: bool, changes: VoiceChangeConfig | None
) -> None:
    settings = TranscriptionConfig(
        idle_turn_s=1.25,
        longest_turn_s=42.0,
        join_llr=0.5,
        found_llr=-2.5,
        merge_llr=6.0,
        split_turns=split_turns,
        voice_threads=3,
        second_pass_patience_s=8.0,
    )
    assert live_config(settings) == LiveConfig(
        second_pass_patience_s=8.0,
        voice_threads=3,
        turns=TurnConfig(idle_s=1.25, longest_turn_s=42.0),
        labels=LabelConfig(join_llr=0.5, found_llr=-2.5, merge_llr=6.0),
        changes=changes,
    )


def test_steps_are_multiplied_on_the_configured_cores(tmp_path: Path) -> None:
    save_transcriber(tmp_path / "words", toy_transcriber(), UNITS, {"name": "toy"})
    settings = TranscriptionConfig(artifact=tmp_path / "words", step_threads=5)
    used: list[int] = []
    config = EquivoxConfig(transcription=settings)
    with closing(Application(config, on_step=lambda _: used.append(torch.get_num_threads()))) as served:
        served.stream_batcher.open().recognise(toy_mels(16))
    assert set(used) == {5}


def test_no_more_turns_wait_for_the_second_pass_than_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = busy()
    monkeypatch.setattr("svc.application.load_open_vocabulary", lambda _: recogniser)
    settings = TranscriptionConfig(second_pass=True, max_queued_turns=3)
    with closing(TinyApplication(tiny_config(tmp_path, transcription=settings))) as served:
        assert served.second_pass
        desk = SecondPassDesk(served.second_pass, patience_s=0.0)
        assert desk.hand_in(turn(0))
        assert recogniser.began.wait(10)
        assert [desk.hand_in(turn(number)) for number in range(1, 6)] == [True] * 3 + [False] * 2
        recogniser.may_work.set()


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_the_card_of_a_transcriber_says_what_its_encoder_computes(tmp_path: Path, kind: str) -> None:
    model = toy_transcriber(kind)
    save_transcriber(tmp_path / "words", model, UNITS, {"name": "toy"})
    settings = TranscriptionConfig(artifact=tmp_path / "words")
    with closing(TinyApplication(tiny_config(tmp_path, transcription=settings))) as served:
        [shown] = [one for one in served.loaded if one.role == "transcriber"]
    computed = tomllib.loads(shown.card_toml)["compute"]
    assert computed["encoder_flops_per_s"] == model.encoder.flops_per_s
    assert computed["least_encoder_flops_per_s"] == model.encoder.least_flops_per_s


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_every_encoder_is_served_by_naming_its_artifact(tmp_path: Path, kind: str) -> None:
    save_transcriber(tmp_path / "words", toy_transcriber(kind), UNITS, {"name": "toy"})
    settings = TranscriptionConfig(artifact=tmp_path / "words", precision="float32", second_voice_rest_s=0.0)
    mels = toy_mels(160)
    with closing(Application(EquivoxConfig(transcription=settings))) as served:
        session = served.stream_batcher.open()
        heard = [*(session.recognise(piece) for piece in np.split(mels, 5)), session.finish()]
    expected = run(load_recogniser(tmp_path / "words"), mels, [8] * 5)
    activity, same = (np.concatenate([chunk.activity for chunk in chunks], axis=1) for chunks in (heard, expected))
    np.testing.assert_allclose(activity, same, atol=1e-4)
    assert activity.std() > 0


LLRS, SECONDS = st.floats(-9, 9), st.floats(0.1, 9)


@given(LLRS, LLRS, LLRS, SECONDS, SECONDS)
def test_what_the_configuration_accepts_the_pipeline_does_too(
    join_llr: float, found_llr: float, merge_llr: float, idle_turn_s: float, longest_turn_s: float
) -> None:
    try:
        settings = TranscriptionConfig(
            join_llr=join_llr,
            found_llr=found_llr,
            merge_llr=merge_llr,
            idle_turn_s=idle_turn_s,
            longest_turn_s=longest_turn_s,
            second_voice_rest_s=0.0,
        )
    except ValueError:
        reject()
    live_config(settings)


def test_profiles_where_they_lay_by_default_before_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": str(tmp_path), "EQUIVOX_HOME": "", "XDG_DATA_HOME": ""}.items():
        monkeypatch.setenv(name, value)
    old, new = tmp_path / ".cache/equivox/profiles.sqlite3", tmp_path / ".local/share/equivox/profiles.sqlite3"
    with SqliteProfileStore(old, key=None) as before:
        before.create("acme", profile_id="jo", consent_reference="form")
    with pytest.raises(StorageError, match=rf"move them: mkdir -p {new.parent} && mv {old}\* {new.parent}") as caught:
        _ = Application(EquivoxConfig()).profiles
    assert not new.exists()
    remedy = caught.value.message.partition("move them: ")[2].partition(";")[0]
    subprocess.run(remedy, shell=True, check=True)
    with Application(EquivoxConfig()).profiles as after:
        assert after.get("acme", "jo").consent_reference == "form"


def test_an_embedder_that_is_none_is_told_by_its_setting(tmp_path: Path) -> None:
    application = Application(EquivoxConfig(models=ModelConfig(cache_dir=tmp_path, embedder="nope")))
    with pytest.raises(ModelNotFoundError, match=r"models\.embedder: no model 'nope'; there are campplus"):
        _ = application.embedder


@pytest.mark.slow
def test_no_library_reports_who_uses_it(tmp_path: Path) -> None:
    """ONNX Runtime keeps an id of the machine in the home folder, for what it sends; in CI it would not."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    program = "import svc.application, svc.backends.campplus, svc.backends.silero, svc.backends.pyannote"
    subprocess.run(
        [sys.executable, "-c", program], env=environment | {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}, check=True
    )
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()] == []
