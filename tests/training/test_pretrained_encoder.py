"""Whisper's weights: the file format, the names, and the map between the front ends."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.errors import ArtifactError
from svc.models.amortised_transformer import AmortisedTransformer, AmortisedTransformerConfig
from svc.models.chunked_transformer import ChunkedTransformer, ChunkedTransformerConfig
from svc.types import FloatArray
from training.pretrained_encoder import fit_input_map, read_ctranslate2, start_from_whisper, whisper_log_mels

SMALL = ChunkedTransformerConfig(block_width=16, num_heads=2, num_layers=2, width=8)
SKIPPING = AmortisedTransformerConfig(block_width=16, num_heads=2, num_layers=2, width=8)
FILTERS = np.kron(np.eye(80), np.ones(3)).astype(np.float32)[:, :201]


def text(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def ctranslate2_file(path: Path, variables: dict[str, torch.Tensor], version: int = 6) -> Path:
    """As CTranslate2 writes it: header, then each variable's name, shape, type and bytes."""
    content = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, value in variables.items():
        array = value.numpy().astype(np.float16)
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        content += text(name) + shape + struct.pack("<BI", 4, array.nbytes) + array.tobytes()
    path.write_bytes(content)
    return path


def as_whisper(encoder: ChunkedTransformer) -> dict[str, torch.Tensor]:
    """The encoder's own weights under Whisper's names, query, key and value fused as CTranslate2 does."""
    state = {name: value.half().float() for name, value in encoder.state_dict().items()}
    named = {
        f"encoder/{layer}/{part}": state[f"{layer}.{part}"]
        for layer in ("conv1", "conv2")
        for part in ("weight", "bias")
    }
    norms = {"encoder/layer_norm": "final_norm"}
    for number in range(SMALL.num_layers):
        ours, theirs = f"blocks.{number}", f"encoder/layer_{number}"
        attention = f"{theirs}/self_attention"
        named[f"{attention}/linear_0/weight"] = torch.cat(
            [state[f"{ours}.{part}.weight"] for part in ("query", "key", "value")]
        )
        biases = state[f"{ours}.query.bias"], torch.zeros(SMALL.block_width), state[f"{ours}.value.bias"]
        named[f"{attention}/linear_0/bias"] = torch.cat(biases)
        for layer, part in (
            (f"{attention}/linear_1", "out"),
            (f"{theirs}/ffn/linear_0", "up"),
            (f"{theirs}/ffn/linear_1", "down"),
        ):
            named |= {f"{layer}/weight": state[f"{ours}.{part}.weight"], f"{layer}/bias": state[f"{ours}.{part}.bias"]}
        norms |= {f"{attention}/layer_norm": f"{ours}.attention_norm", f"{theirs}/ffn/layer_norm": f"{ours}.mlp_norm"}
    for theirs, ours in norms.items():
        named |= {f"{theirs}/gamma": state[f"{ours}.weight"], f"{theirs}/beta": state[f"{ours}.bias"]}
    return named


def noise_clips() -> list[FloatArray]:
    random = np.random.default_rng(0)
    loudness = np.repeat(10 ** random.uniform(-4, -1, (4, 20)), 800, axis=1)
    return [(one * random.standard_normal(len(one))).astype(np.float32) for one in loudness]


@pytest.mark.parametrize("target", [ChunkedTransformer(SMALL, 80), AmortisedTransformer(SKIPPING, 80)])
def test_every_weight_finds_its_place(tmp_path: Path, target: ChunkedTransformer | AmortisedTransformer) -> None:
    torch.manual_seed(1)
    source = ChunkedTransformer(SMALL, 80)
    path = ctranslate2_file(tmp_path / "model.bin", as_whisper(source))
    start_from_whisper(target, path, noise_clips(), FILTERS)
    kept = {"input_map", "input_bias", "project.weight", "project.bias"}
    for name, value in source.state_dict().items():
        if name not in kept:
            torch.testing.assert_close(target.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_another_size_is_refused_by_name(tmp_path: Path) -> None:
    path = ctranslate2_file(tmp_path / "model.bin", as_whisper(ChunkedTransformer(SMALL, 80)))
    wider = ChunkedTransformer(ChunkedTransformerConfig(block_width=32, num_heads=2, num_layers=2), 80)
    with pytest.raises(ArtifactError, match="make the sizes equal"):
        start_from_whisper(wider, path, noise_clips(), FILTERS)


@pytest.mark.parametrize(("num_layers", "heads", "told"), [(3, 2, "numbers of layers"), (2, 4, "2 heads")])
def test_other_layers_or_heads_are_refused(tmp_path: Path, num_layers: int, heads: int, told: str) -> None:
    weights = as_whisper(ChunkedTransformer(SMALL, 80)) | {"encoder/num_heads": torch.tensor(2.0)}
    path = ctranslate2_file(tmp_path / "model.bin", weights)
    other = ChunkedTransformer(replace(SMALL, num_layers=num_layers, num_heads=heads), 80)
    with pytest.raises(ArtifactError, match=told):
        start_from_whisper(other, path, noise_clips(), FILTERS)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="format 5"):
        read_ctranslate2(ctranslate2_file(tmp_path / "model.bin", {}, version=5))


def test_the_map_takes_our_log_mels_to_whispers() -> None:
    matrix, bias = fit_input_map(noise_clips(), FILTERS)
    unseen = noise_clips()[0][::-1].copy()
    ours, theirs = Filterbank(FilterbankConfig())(unseen), whisper_log_mels(unseen, FILTERS)
    mapped = ours @ matrix.T + bias
    aligned = 0.75 * theirs[1 : len(ours) + 1] + 0.25 * theirs[2 : len(ours) + 2]
    assert np.var(mapped - aligned) < 0.1 * np.var(aligned)
