"""Greedy search: against a plain rendering, together = alone, chunked = whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from svc.models.decoding import Decoder, DecoderConfig, Emission, GreedyDecoder, Kept
from svc.models.encoder import split_states, stack_states
from svc.models.transducer import Joint, Predictor, PredictorConfig
from svc.units import BLANK, END_OF_TURN, START_OF_TURN

WIDTH = 6


def toy(kind: str = "lstm", seed: int = 0) -> tuple[Predictor, Joint]:
    """Weights wide enough apart that blanks and tokens both win now and then."""
    torch.manual_seed(seed)
    predictor, joint = Predictor(PredictorConfig(kind=kind, width=8), 7).eval(), Joint(8, WIDTH, 8, 7)
    for weight in (*predictor.parameters(), *joint.parameters()):
        torch.nn.init.normal_(weight, std=0.8)
    return predictor, joint


def random_frames(batch: int, num_frames: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, num_frames, WIDTH, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def plain_greedy(predictor: Predictor, joint: Joint, frames: Tensor, config: DecoderConfig) -> list[Emission]:
    """(T', D) -> tokens, one sequence, one frame, one label at a time."""
    label, state = predictor(torch.tensor([[BLANK]]), predictor.initial_state(1))
    emissions = []
    last, in_turn = 0, False
    for number, frame in enumerate(frames):
        if config.forget_after_frames and number >= last + config.forget_after_frames:
            seen = torch.tensor([[BLANK, START_OF_TURN] if in_turn and config.turn_tokens else [BLANK]])
            label, state = predictor(seen, predictor.initial_state(1))
            label, last = label[:, -1:], number
        for _ in range(config.max_symbols_per_frame):
            logits = joint(frame[None, None], label)[0, 0, 0]
            logits[BLANK] -= config.blank_penalty
            logits[END_OF_TURN] += config.end_of_turn_bonus
            logprob, token = logits.log_softmax(0).max(0)
            if token == BLANK:
                break
            last, in_turn = number, int(token) != END_OF_TURN
            emissions.append(Emission(int(token), number, logprob.item()))
            label, state = predictor(token[None, None], state)
    return emissions


def decode_whole(decoder: Decoder[Kept], frames: Tensor) -> list[list[Emission]]:
    """(N, T', D) -> the tokens of N whole sequences."""
    decoded, state = decoder.decode(frames, decoder.initial_state(len(frames)))
    rest = decoder.finish(state)
    return [[*first.emissions, *last.emissions] for first, last in zip(decoded, rest, strict=True)]


def decode_chunked(decoder: Decoder[Kept], frames: Tensor, chunks: list[int]) -> list[list[Emission]]:
    state = decoder.initial_state(len(frames))
    found: list[list[Emission]] = [[] for _ in frames]
    for piece in torch.split(frames, chunks, dim=1):
        decoded, state = decoder.decode(piece, state)
        for row, one in zip(found, decoded, strict=True):
            row += one.emissions
    return [row + list(rest.emissions) for row, rest in zip(found, decoder.finish(state), strict=True)]


def assert_same(actual: list[list[Emission]], expected: list[list[Emission]]) -> None:
    assert [[(e.token_id, e.frame) for e in row] for row in actual] == [
        [(e.token_id, e.frame) for e in row] for row in expected
    ]
    for ours, theirs in zip(actual, expected, strict=True):
        assert [e.logprob for e in ours] == pytest.approx([e.logprob for e in theirs], abs=1e-4)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["lstm", "context"]),
    config=st.builds(
        DecoderConfig,
        max_symbols_per_frame=st.integers(1, 3),
        blank_penalty=st.sampled_from([-1.5, 0.0, 1.5]),
        end_of_turn_bonus=st.sampled_from([0.0, 2.0]),
        forget_after_frames=st.integers(0, 3),
        turn_tokens=st.booleans(),
    ),
)
def test_equals_the_plain_rendering(seed: int, kind: str, config: DecoderConfig) -> None:
    predictor, joint = toy(kind, seed)
    frames = random_frames(3, 9, seed)
    expected = [plain_greedy(predictor, joint, one, config) for one in frames]
    assert_same(decode_whole(GreedyDecoder(predictor, joint, config), frames), expected)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), chunks=st.lists(st.integers(1, 4), min_size=1, max_size=6), forget=st.integers(0, 3))
def test_chunked_equals_whole(seed: int, chunks: list[int], forget: int) -> None:
    config = DecoderConfig(forget_after_frames=forget, blank_penalty=-1.0)
    decoder, frames = GreedyDecoder(*toy(seed=seed), config), random_frames(2, sum(chunks), seed)
    assert_same(decode_chunked(decoder, frames, chunks), decode_whole(decoder, frames))


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_streams_of_different_age_decode_together_as_alone(seed: int) -> None:
    decoder, frames = GreedyDecoder(*toy(seed=seed)), random_frames(3, 4, seed)
    states = [decoder.decode(random_frames(1, age, age), decoder.initial_state(1))[1] for age in (1, 2, 7)]
    alone = [decoder.decode(one[None], state) for one, state in zip(frames, states, strict=True)]
    together, after = decoder.decode(frames, stack_states(states))
    assert_same([list(one.emissions) for one in together], [list(one[0].emissions) for one, _ in alone])
    torch.testing.assert_close(split_states(after), [state for _, state in alone])


def test_frames_before_the_stream_are_skipped() -> None:
    decoder, frames = GreedyDecoder(*toy(seed=4)), random_frames(2, 8)
    decoded, state = decoder.decode(frames, decoder.initial_state(2, first_frame=-3))
    assert_same([list(one.emissions) for one in decoded], decode_whole(decoder, frames[:, 3:]))
    assert state[0].tolist() == [5, 5]


def test_a_chunk_leaves_the_state_it_was_given_alone() -> None:
    decoder = GreedyDecoder(*toy(seed=4))
    state = decoder.initial_state(2)
    before = [tensor.clone() for tensor in state]
    decoder.decode(random_frames(2, 8), state)
    torch.testing.assert_close(list(state), before)


def test_a_decoder_that_waits_too_long_starts_afresh() -> None:
    """After its first token this predictor blocks all others, until it is forgotten."""
    predictor, joint = toy("context")
    assert isinstance(predictor.memory, torch.nn.Conv1d)
    assert predictor.memory.bias is not None
    with torch.no_grad():
        for weight in (*predictor.parameters(), *joint.parameters()):
            weight.zero_()
        predictor.memory.bias[0] = 1.0
        predictor.embedding.weight[3:, 0] = -1.0
        predictor.memory.weight[0, 0, -1] = 1.0  # the newest label decides
        joint.from_labels.weight[0, 0] = 1.0
        joint.output.weight[5, 0] = 5.0  # token 5 is likely at first, and blank after it
        joint.output.bias[BLANK] = 1.0
    frames = torch.zeros(1, 10, WIDTH)
    (stuck,) = decode_whole(GreedyDecoder(predictor, joint), frames)
    (freed,) = decode_whole(GreedyDecoder(predictor, joint, DecoderConfig(forget_after_frames=4)), frames)
    assert [emission.frame for emission in stuck] == [0]
    assert [emission.frame for emission in freed] == [0, 4, 8]


def test_a_model_that_would_never_stop_is_cut() -> None:
    predictor, joint = toy()
    with torch.no_grad():
        joint.output.bias[BLANK] = -100
    (emissions,) = decode_whole(
        GreedyDecoder(predictor, joint, DecoderConfig(max_symbols_per_frame=2)), random_frames(1, 3)
    )
    assert [emission.frame for emission in emissions] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("wrong", [{"beam": 0}, {"max_symbols_per_frame": 0}, {"max_unstable_tokens": 0}])
def test_a_search_without_room_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        DecoderConfig(**wrong)  # type: ignore[arg-type]
