"""The encoders of training/configs/encoders: alike in size, each named by its file, each a recipe's by one option."""

from functools import cache
from pathlib import Path

import pytest
import torch

from svc.models.encoder import Encoder
from svc.models.encoders import ENCODER_KINDS, EncoderConfig, build_encoder
from svc.typed_config import load_config
from training.transcriber_recipe import read_recipe

CONFIGS = Path(__file__).parents[2] / "training/configs"
FILES = sorted((CONFIGS / "encoders").glob("*.toml"))


@cache
def encoder_of(path: Path) -> Encoder:
    """Without its weights."""
    with torch.device("meta"):
        return build_encoder(load_config(EncoderConfig, path), num_mels=80)


def num_parameters(path: Path) -> int:
    return sum(parameter.numel() for parameter in encoder_of(path).parameters())


@pytest.mark.parametrize("millions", [3, 8])
def test_encoders_of_a_size_have_as_many_parameters_within_a_twentieth(millions: int) -> None:
    sizes = [num_parameters(path) for path in FILES if path.stem.endswith(f"-{millions}m")]
    assert len(sizes) == len(FILES) // 2
    assert max(sizes) <= 1.05 * min(sizes)
    assert sum(sizes) / len(sizes) == pytest.approx(millions * 1e6, rel=0.05)


def test_every_kind_of_encoder_has_a_file_of_each_size() -> None:
    for millions in (3, 8):
        kinds = {load_config(EncoderConfig, path).kind for path in FILES if path.stem.endswith(f"-{millions}m")}
        assert kinds == set(ENCODER_KINDS)


@pytest.mark.parametrize("millions", [3, 8])
def test_the_sliding_window_is_the_transformer_but_for_its_window(millions: int) -> None:
    wide, narrow = (
        load_config(EncoderConfig, CONFIGS / f"encoders/{name}-{millions}m.toml").transformer
        for name in ("transformer", "sliding-window")
    )
    assert narrow.left_context_frames < wide.left_context_frames
    assert (narrow.block_width, narrow.num_layers, narrow.width) == (wide.block_width, wide.num_layers, wide.width)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_takes_any_of_them(path: Path) -> None:
    plain, recipe = (read_recipe(CONFIGS / "encoder-study.toml", encoder=encoder) for encoder in (None, path))
    assert recipe.name == f"encoder-study-{path.stem}"
    assert recipe.model.encoder == load_config(EncoderConfig, path)
    assert (recipe.stages, recipe.model.predictor) == (plain.stages, plain.model.predictor)
    assert recipe.digest != plain.digest
