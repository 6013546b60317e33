"""Beam search: width 1 = greedy, wide = every path walked, together = alone, chunked = whole, bounded."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.models.beam import Beam, BeamDecoder, Hypothesis, settle
from svc.models.decoding import DecoderConfig, Emission, GreedyDecoder
from svc.units import END_OF_TURN, START_OF_TURN
from tests.models.table_transducer import best_sequence, table_transducer
from tests.models.test_decoding import assert_same, decode_chunked, decode_whole, random_frames, toy

seeds = st.integers(0, 1000)


def config(beam: int, max_symbols: int = 3, forget: int = 0, *, turn_tokens: bool = True) -> DecoderConfig:
    return DecoderConfig(
        beam=beam, max_symbols_per_frame=max_symbols, forget_after_frames=forget, turn_tokens=turn_tokens
    )


@settings(max_examples=15)
@given(
    seed=seeds,
    kind=st.sampled_from(["lstm", "context"]),
    settled=st.builds(config, st.just(1), st.integers(1, 3), forget=st.integers(0, 3), turn_tokens=st.booleans()),
)
def test_width_one_equals_greedy(seed: int, kind: str, settled: DecoderConfig) -> None:
    model, frames = toy(kind, seed), random_frames(2, 7, seed)
    assert_same(
        decode_whole(BeamDecoder(*model, settled), frames), decode_whole(GreedyDecoder(*model, settled), frames)
    )


@settings(max_examples=15)
@given(seed=seeds)
def test_a_wide_beam_finds_the_likeliest_tokens_of_all(seed: int) -> None:
    # Three tokens, so that no <eot> settles anything early.
    logits = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(seed))
    table = logits.log_softmax(-1)
    predictor, joint, frames = table_transducer(table)
    expected, _ = best_sequence(table, max_symbols=2)
    (emissions,) = decode_whole(BeamDecoder(predictor, joint, config(10_000, 2)), frames)
    assert tuple(emission.token_id for emission in emissions) == expected


def test_a_beam_finds_what_greed_misses() -> None:
    # Token 1 looks best at first but leads nowhere; token 2 makes the second frame certain.
    table = torch.full((2, 3, 3), 0.01)
    table[0, 0] = torch.tensor([0.1, 0.5, 0.4])
    table[:, 1] = torch.tensor([0.4, 0.3, 0.3])
    table[:, 2] = torch.tensor([0.98, 0.01, 0.01])
    predictor, joint, frames = table_transducer(table.log().log_softmax(-1))
    (greedy,) = decode_whole(GreedyDecoder(predictor, joint, config(1, 1)), frames)
    (better,) = decode_whole(BeamDecoder(predictor, joint, config(4, 1)), frames)
    assert [emission.token_id for emission in greedy] == [1]
    assert [emission.token_id for emission in better] == [2]


@settings(max_examples=10)
@given(seed=seeds, chunks=st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_chunked_equals_whole(seed: int, chunks: list[int]) -> None:
    decoder, frames = BeamDecoder(*toy(seed=seed), config(3)), random_frames(2, sum(chunks), seed)
    assert_same(decode_chunked(decoder, frames, chunks), decode_whole(decoder, frames))


@settings(max_examples=10)
@given(seed=seeds)
def test_sequences_decode_together_as_alone(seed: int) -> None:
    decoder, frames = BeamDecoder(*toy(seed=seed), config(3)), random_frames(3, 6, seed)
    alone = [decode_whole(decoder, one[None])[0] for one in frames]
    assert_same(decode_whole(decoder, frames), alone)


@settings(max_examples=10)
@given(seed=seeds)
def test_what_is_settled_is_never_taken_back(seed: int) -> None:
    decoder, frames = BeamDecoder(*toy(seed=seed), config(3)), random_frames(1, 12, seed)
    state = decoder.initial_state(1)
    settled: list[Emission] = []
    for frame in torch.split(frames, 1, dim=1):
        (decoded,), state = decoder.decode(frame, state)
        settled += decoded.emissions
        assert decoded.partial == state[0].hypotheses[0].emissions
    assert_same([settled + list(decoder.finish(state)[0].emissions)], decode_whole(decoder, frames))


def test_frames_before_the_stream_are_skipped() -> None:
    decoder, frames = BeamDecoder(*toy(seed=4), config(2)), random_frames(1, 8)
    (decoded,), state = decoder.decode(frames, decoder.initial_state(1, first_frame=-3))
    rest = decoder.finish(state)[0].emissions
    assert_same([[*decoded.emissions, *rest]], decode_whole(decoder, frames[:, 3:]))


@pytest.mark.parametrize("beam", [2, 4])
def test_a_long_stream_keeps_a_bounded_beam(beam: int) -> None:
    settings_ = DecoderConfig(beam=beam, max_unstable_tokens=5)
    decoder = BeamDecoder(*toy(seed=1), settings_)
    state = decoder.initial_state(1)
    for seed in range(20):
        _, state = decoder.decode(random_frames(1, 10, seed), state)
        assert len(state[0].hypotheses) <= beam
        assert all(len(one.emissions) <= 5 + 3 * 4 for one in state[0].hypotheses)
        assert state[0].hypotheses[0].score == 0


def hypothesis_of(score: float, *tokens: int) -> Hypothesis:
    emissions = tuple(Emission(token, number, -0.1) for number, token in enumerate(tokens))
    return Hypothesis(score, emissions, torch.zeros(1), ())


def test_what_all_agree_on_is_settled() -> None:
    settled, beam = settle(
        Beam(9, (hypothesis_of(0, 4, 5, 6), hypothesis_of(-1, 4, 5), hypothesis_of(-2, 4, 7)), 8), config(3)
    )
    assert [emission.token_id for emission in settled] == [4]
    assert [one.tokens for one in beam.hypotheses] == [(5, 6), (5,), (7,)]


def test_the_end_of_a_turn_settles_all_before_it_and_drops_who_disagrees() -> None:
    best, other = hypothesis_of(0, 4, END_OF_TURN, 6), hypothesis_of(-1, 5, END_OF_TURN)
    settled, beam = settle(Beam(9, (best, other), 8), config(3))
    assert [emission.token_id for emission in settled] == [4, END_OF_TURN]
    assert [one.tokens for one in beam.hypotheses] == [(6,)]


def test_a_turn_is_open_as_long_as_the_best_hypothesis_has_it_open() -> None:
    opened, silent = hypothesis_of(0, START_OF_TURN), hypothesis_of(0)
    assert Beam(9, (opened, silent), 8).in_turn
    assert not Beam(10, (silent, opened), 8).in_turn
    _, settled = settle(Beam(11, (opened,), 8), config(3))
    assert settled.in_turn
    _, closed = settle(replace(settled, hypotheses=(hypothesis_of(0, 4, END_OF_TURN),)), config(3))
    assert not closed.in_turn
