"""A transcriber written as an artifact comes back as it was; one that cannot run is refused with the reason."""

import tomllib
from pathlib import Path

import pytest
import torch

from svc.artifact import load_artifact, save_artifact
from svc.backends.transcriber_artifact import compute_toml, load_transcriber, save_transcriber
from svc.errors import ArtifactError
from svc.models.encoders import ENCODER_KINDS
from svc.units import WORD_START, Units
from tests.models.toy_transcriber import NUM_TOKENS, random_mels, toy_transcriber

UNITS = Units(tuple(f"{WORD_START}{letter}" for letter in "abcde"))


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_what_is_saved_comes_back(tmp_path: Path, kind: str) -> None:
    model = toy_transcriber(kind)
    save_transcriber(tmp_path, model, UNITS, {"licence": "CC0", "figures": {"wer": 0.5}})
    loaded = load_transcriber(tmp_path)
    assert (loaded.units, loaded.model.config, loaded.card["figures"]) == (UNITS, model.config, {"wer": 0.5})
    mels = random_mels(1, 40)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(mels).frames, model(mels).frames, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_what_it_computes_can_stand_below_its_card(tmp_path: Path, kind: str) -> None:
    model = toy_transcriber(kind)
    save_transcriber(tmp_path, model, UNITS, {"figures": {"wer": 0.5}})
    card = tomllib.loads(load_artifact(tmp_path).card_toml + compute_toml(tmp_path))
    assert card["compute"]["encoder_flops_per_s"] == model.encoder.flops_per_s
    assert card["compute"]["least_encoder_flops_per_s"] == model.encoder.least_flops_per_s


def test_the_fingerprint_names_the_weights(tmp_path: Path) -> None:
    save_transcriber(tmp_path / "a", toy_transcriber("lstm"), UNITS, {})
    save_transcriber(tmp_path / "b", toy_transcriber("lstm", predictor="context"), UNITS, {})
    names = {load_transcriber(tmp_path / name).fingerprint for name in "ab"}
    assert len(names) == 2
    assert all(len(name) == 16 for name in names)


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{NUM_TOKENS} tokens"):
        save_transcriber(tmp_path, toy_transcriber(), Units(("a",)), {})


@pytest.mark.parametrize("turn_tokens", [True, False])
def test_its_card_says_whether_it_learnt_turn_tokens(tmp_path: Path, turn_tokens: bool) -> None:
    save_transcriber(tmp_path, toy_transcriber(), UNITS, {}, turn_tokens=turn_tokens)
    assert load_transcriber(tmp_path).turn_tokens == turn_tokens


def test_one_whose_card_does_not_say_learnt_turn_tokens(tmp_path: Path) -> None:
    save_transcriber(tmp_path, toy_transcriber(), UNITS, {}, turn_tokens=False)
    artifact = load_artifact(tmp_path)
    older = {name: value for name, value in artifact.card.items() if name != "turn_tokens"}
    save_artifact(tmp_path, artifact.tensors, older)
    assert load_transcriber(tmp_path).turn_tokens


def test_the_cards_own_keys_cannot_be_overwritten(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="units is the card's own"):
        save_transcriber(tmp_path, toy_transcriber(), UNITS, {"units": []})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "calibration"}, "is a calibration"),
        ({"config": {"num_tokens": NUM_TOKENS, "wings": 2}}, "unknown key wings"),
        ({"config": {"num_tokens": NUM_TOKENS}}, r"Missing key.*and \d+ more"),
        ({"units": ["a"]}, "units for 5"),
        ({"turn_tokens": "no"}, "turn_tokens must be true or false, got 'no'"),
    ],
)
def test_an_artifact_that_cannot_run_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    save_transcriber(tmp_path, toy_transcriber(), UNITS, {})
    artifact = load_artifact(tmp_path)
    save_artifact(tmp_path, artifact.tensors, {**artifact.card, **change})
    with pytest.raises(ArtifactError, match=message):
        load_transcriber(tmp_path)
