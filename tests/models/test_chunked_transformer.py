"""The transformer encoder against a plain rendering of Whisper's encoder with the chunk mask written out."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from svc.models.attention_encoder import POSITION_RING, sinusoids
from svc.models.chunked_transformer import ChunkedTransformer, ChunkedTransformerConfig
from svc.models.encoder import State
from tests.models.toy_transcriber import NUM_MELS, TRANSFORMER, random_mels


def toy() -> ChunkedTransformer:
    torch.manual_seed(0)
    return ChunkedTransformer(TRANSFORMER, NUM_MELS).eval()


def plain(weights: dict[str, Tensor], mels: Tensor, config: ChunkedTransformerConfig) -> Tensor:
    """(T, M) -> (T / 4, D), head by head and query by query, without any cache."""

    def layer(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    x = F.gelu(F.conv1d(F.pad(mels.T, (2, 0)), weights["conv1.weight"], weights["conv1.bias"]))
    x = F.gelu(F.conv1d(F.pad(x, (1, 0)), weights["conv2.weight"], weights["conv2.bias"], stride=2)).T
    x = x + sinusoids(POSITION_RING, config.block_width)[: len(x)]
    head_width = config.block_width // config.num_heads
    for number in range(config.num_layers):
        name = f"blocks.{number}"
        y = norm(x, f"{name}.attention_norm")
        queries, keys, values = (layer(y, f"{name}.{part}") for part in ("query", "key", "value"))
        attended = torch.zeros_like(y)
        for frame in range(len(x)):
            start = frame // 2 * 2
            seen = slice(max(0, start - config.left_context_frames), start + 2)
            for head in range(config.num_heads):
                part = slice(head * head_width, (head + 1) * head_width)
                scores = keys[seen, part] @ queries[frame, part] / head_width**0.5
                attended[frame, part] = scores.softmax(0) @ values[seen, part]
        x = x + layer(attended, f"{name}.out")
        x = x + layer(F.gelu(layer(norm(x, f"{name}.mlp_norm"), f"{name}.up")), f"{name}.down")
    return layer(norm(x, "final_norm").reshape(len(x) // 2, -1), "project")


@pytest.mark.parametrize("num_frames", [4, 12, 28, 60, 84])
def test_equals_the_plain_rendering(num_frames: int) -> None:
    encoder, mels = toy(), random_mels(1, num_frames)
    with torch.inference_mode():
        actual, _ = encoder(mels, encoder.initial_state(1))
        expected = plain(encoder.state_dict(), mels[0], TRANSFORMER)
    torch.testing.assert_close(actual[0], expected, atol=1e-4, rtol=1e-4)


def test_an_empty_cache_is_never_looked_at() -> None:
    encoder, mels = toy(), random_mels(2, 36)
    clean = encoder.initial_state(2)
    spoilt: State = (*clean[:4], *(torch.full_like(cache, 50.0) for cache in clean[4:]))
    with torch.inference_mode():
        torch.testing.assert_close(encoder(mels, spoilt)[0], encoder(mels, clean)[0])


def test_chunked_equals_whole_across_the_ring_of_positions() -> None:
    encoder, mels = toy(), random_mels(1, 64)
    state = encoder.initial_state(1, offset=torch.tensor([POSITION_RING - 10]))
    with torch.inference_mode():
        whole, last = encoder(mels, state)
        pieces = []
        for piece in torch.split(mels, 4, dim=1):
            frames, state = encoder(piece, state)
            pieces.append(frames)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-4, rtol=1e-4)
    assert last[0].item() == 22


def test_a_step_longer_than_the_ring_allows_is_refused() -> None:
    encoder = toy()
    with pytest.raises(ValueError, match="at most 32 mel frames"):
        encoder.step_streams(random_mels(2, 36), [encoder.open_stream(2)])


def test_the_offset_moves_the_positions_and_nothing_else() -> None:
    encoder, mels = toy(), random_mels(2, 16)
    with torch.inference_mode():
        moved, _ = encoder(mels, encoder.initial_state(2, offset=torch.tensor([0, 700])))
        still, _ = encoder(mels, encoder.initial_state(2))
    torch.testing.assert_close(moved[0], still[0])
    assert not torch.allclose(moved[1], still[1])


def test_the_default_is_whisper_tiny() -> None:
    weights = ChunkedTransformer(ChunkedTransformerConfig(), 80).state_dict()
    assert weights["conv1.weight"].shape == (384, 80, 3)
    assert weights["blocks.3.up.weight"].shape == (1536, 384)
    assert "blocks.0.key.bias" not in weights


@pytest.mark.parametrize("wrong", [{"num_heads": 5}, {"left_context_frames": 7}, {"left_context_frames": 0}])
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="multiple"):
        ChunkedTransformerConfig(**wrong)
