"""Batches hold the features and targets of their mixtures, and every rank and every restart sees the right ones."""

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.models.separator import SILENCE
from svc.units import BLANK, END_OF_TURN, START_OF_TURN
from tests.training.data.talkers import WORDS, TonesInMemory, talkers
from training.data.batches import (
    SORTED_STEPS,
    Batch,
    MixtureBatches,
    MixtureExamples,
    _Schedule,
    collate,
)
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.data.rendering import Sounds
from training.data.targets import TargetConfig, channel_targets, due_tokens
from training.losses.auxiliary import NO_LABEL

SPOKEN = talkers()
SIMULATOR = MixtureSimulator(SPOKEN, MixtureConfig(room_share=0, max_duration_s=8))


TELEPHONE = MixtureSimulator(SPOKEN, MixtureConfig(room_share=0, telephone_share=1, talkers=(1, 1), max_duration_s=8))


class TwoPieces:
    """Every word is two tokens: its number, then one that all words end in."""

    def encode(self, word: str) -> list[int]:
        return [4 + WORDS.index(word), 20]


EXAMPLES = MixtureExamples(SIMULATOR, Sounds(TonesInMemory(SPOKEN)), TwoPieces())


def batches(*, batch: int = 2, rank: int = 0, world_size: int = 1, position: int = 0, workers: int = 0) -> list[Batch]:
    made = MixtureBatches(EXAMPLES, batch=batch, rank=rank, world_size=world_size, position=position, workers=workers)
    return list(islice(made, 3))


def assert_equal(one: Batch, other: Batch) -> None:
    for field in fields(Batch):
        torch.testing.assert_close(getattr(one, field.name), getattr(other, field.name), rtol=0, atol=0)


def test_two_ranks_see_what_one_process_with_twice_the_batch_sees() -> None:
    alone = batches(batch=4)
    ranks = [batches(batch=2, rank=rank, world_size=2) for rank in (0, 1)]
    for step, whole in enumerate(alone):
        for rank in (0, 1):
            part = ranks[rank][step]
            torch.testing.assert_close(part.mel_lengths, whole.mel_lengths[rank::2])
            mels = whole.mels[rank::2, : part.mels.shape[1]]
            torch.testing.assert_close(part.mels, mels, rtol=0, atol=0)


@pytest.mark.parametrize("position", [1, 7, 8])
def test_a_restart_goes_on_with_the_very_next_batch(position: int) -> None:
    made = MixtureBatches(EXAMPLES, batch=1)
    steps = list(islice(made, position + 1))
    assert made.position == position + 1
    assert_equal(steps[-1], next(iter(MixtureBatches(EXAMPLES, batch=1, position=position))))


def test_every_mixture_is_seen_once_and_those_of_a_step_are_of_like_length() -> None:
    schedule = islice(_Schedule(EXAMPLES, batch=2, rank=0, world_size=2, first_step=0), SORTED_STEPS)
    others = islice(_Schedule(EXAMPLES, batch=2, rank=1, world_size=2, first_step=0), SORTED_STEPS)
    steps = [[*ours, *theirs] for ours, theirs in zip(schedule, others, strict=True)]
    assert sorted(index for step in steps for index in step) == list(range(4 * SORTED_STEPS))
    lengths = sorted(sorted(EXAMPLES.recipe(index).duration_s for index in step) for step in steps)
    assert all(shorter[-1] <= longer[0] for shorter, longer in pairwise(lengths))


def test_fixed_mixtures_come_once_each_before_any_comes_again() -> None:
    fixed = MixtureExamples(SIMULATOR, EXAMPLES.sounds, TwoPieces(), fixed_mixtures=5)
    seeds = [fixed.recipe(index).seed for index in range(20)]
    rounds = [seeds[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(once) == [EXAMPLES.recipe(index).seed for index in range(5)] for once in rounds)
    assert len({tuple(once) for once in rounds}) > 1


@pytest.mark.slow
def test_workers_change_neither_order_nor_content_nor_the_callers_random_state() -> None:
    before = torch.get_rng_state()
    by_workers = batches(workers=2)
    torch.testing.assert_close(torch.get_rng_state(), before)
    for one, other in zip(by_workers, batches(), strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("simulator", [SIMULATOR, TELEPHONE])
def test_without_sources_all_else_is_the_same(simulator: MixtureSimulator) -> None:
    of_all, without = (
        collate([MixtureExamples(simulator, EXAMPLES.sounds, TwoPieces(), with_sources=asked)[0]])
        for asked in (True, False)
    )
    assert of_all.source_mels.shape[2] == len(of_all.mels[0])
    assert without.source_mels.shape[2] == 0
    assert_equal(replace(of_all, source_mels=without.source_mels), without)


def test_a_silent_channel_is_as_silent_by_telephone() -> None:
    example = MixtureExamples(TELEPHONE, EXAMPLES.sounds, TwoPieces())[0]
    assert (example.source_mels[0] > SILENCE).any()
    assert (example.source_mels[1] == np.float32(SILENCE)).all()


def test_features_are_the_front_ends_and_padding_is_silence() -> None:
    example, filterbank = EXAMPLES[0], Filterbank(FilterbankConfig())
    assert len(example.mels) % 4 == 0
    batch = collate([example, EXAMPLES[1]])
    for row, made in enumerate((example, EXAMPLES[1])):
        length = int(batch.mel_lengths[row])
        np.testing.assert_array_equal(batch.mels[row, :length].numpy(), made.mels)
        assert batch.mels[row, length:].eq(SILENCE).all()
        assert batch.frame_labels[row, :, length // 4 :].eq(NO_LABEL).all()
    assert filterbank(np.zeros(400, np.float32))[0, 0] == np.float32(SILENCE)
    assert batch.mels.shape[1] == 4 * batch.activity.shape[2]


@given(st.integers(0, 2**40), st.integers(0, 40))
@settings(max_examples=40)
def test_tokens_are_turns_in_order_each_due_when_it_has_been_said(seed: int, delay_frames: int) -> None:
    recipe = SIMULATOR.draw(seed)
    config = TargetConfig(delay_frames=delay_frames)
    for channel, made in enumerate(channel_targets(recipe, TwoPieces(), num_frames=1000, config=config)):
        turns = [turn for turn in recipe.turns if turn.channel == channel]
        due = [token for turn in turns for token in due_tokens(turn, TwoPieces())]
        assert made.tokens.tolist() == [token for token, _ in due]
        assert np.all(np.diff(made.frames) >= 0)
        for frame, (_, at_s) in zip(made.frames.tolist(), due, strict=True):
            assert frame == pytest.approx((at_s + delay_frames / 100) / 0.04 - 0.5, abs=0.51)
        assert [label for label in made.labels.tolist() if label != BLANK] == made.tokens.tolist()


def test_a_turn_is_bracketed_and_its_last_piece_is_due_at_the_words_end() -> None:
    turn = SIMULATOR.draw(1).turns[0]
    due = due_tokens(turn, TwoPieces())
    assert due[0] == (START_OF_TURN, turn.span.start_s)
    assert due[-1] == (END_OF_TURN, turn.span.end_s)
    word = turn.words[0]
    assert due[1][1] == pytest.approx((word.start_s + word.end_s) / 2)
    assert due[2][1] == pytest.approx(word.end_s)
    assert due_tokens(turn, TwoPieces(), turn_tokens=False) == due[1:-1]


def test_activity_is_where_words_are() -> None:
    recipe = SIMULATOR.draw(3)
    config = TargetConfig(bridged_pause_s=0.0)
    spoken_s = [0.0, 0.0]
    for turn in recipe.turns:
        spoken_s[turn.channel] += sum(word.end_s - word.start_s for word in turn.words)
    for seconds, made in zip(
        spoken_s, channel_targets(recipe, TwoPieces(), num_frames=250, config=config), strict=True
    ):
        assert made.activity.sum() * 0.04 == pytest.approx(seconds, rel=0.1)
        assert set(made.activity.tolist()) <= {0.0, 1.0}


def test_a_silent_channel_has_no_tokens() -> None:
    config = replace(SIMULATOR.config, talkers=(1, 1), turns=(1, 1))
    recipe = MixtureSimulator(SPOKEN, config).draw(0)
    silent = channel_targets(recipe, TwoPieces(), num_frames=100, config=TargetConfig())[1]
    assert len(silent.tokens) == len(silent.frames) == 0
    assert not silent.activity.any()
    assert not silent.labels.any()


def test_positions_and_ranks_that_make_no_sense_are_refused() -> None:
    for wrong in ({"batch": 0}, {"batch": 1, "rank": 1}, {"batch": 1, "position": -1}):
        with pytest.raises(ValueError, match="need a mixture"):
            MixtureBatches(EXAMPLES, **wrong)


def test_iteration_does_not_end_by_itself() -> None:
    steps: Iterator[Batch] = islice(MixtureBatches(EXAMPLES, batch=1), 5)
    assert len(list(steps)) == 5
