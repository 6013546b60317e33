"""Mixtures are what their recipes say: same seed, same audio; words where the sound is; two at once at most."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.types import MODEL_RATE_HZ, Waveform
from tests.training.data.talkers import TonesInMemory, talkers, utterance
from training.data.augment import Degradation
from training.data.manifest import Clip
from training.data.mixture_recipe import MixtureRecipe
from training.data.mixtures import CURRICULUM, MixtureConfig, MixtureSimulator
from training.data.rendering import Sounds, render
from training.data.rooms import LEAD_SAMPLES, POSITIONS, RoomBank, RoomConfig
from training.data.turn_drafts import join_phrases, phrases_of
from training.data.turn_taking import overlap_ratio

SPOKEN = talkers()
HISS = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
BANK = RoomBank.make(RoomConfig(rooms=2))
SOUNDS = Sounds(TonesInMemory(SPOKEN), {"hiss.wav": Waveform(HISS, MODEL_RATE_HZ)}, BANK)
NOISE = Clip(
    path="hiss.wav", corpus="noise", split="train", speaker="", session="", sex="", country="", language="", age=None,
    channel="", sample_rate_hz=16_000, duration_s=3.0, text="",
)  # fmt: skip
DRY = MixtureConfig(room_share=0, noise_share=0, telephone_share=0)


def simulator(config: MixtureConfig = DRY) -> MixtureSimulator:
    return MixtureSimulator(SPOKEN, config, noises=[NOISE], rooms=BANK.rooms)


@pytest.mark.parametrize("stage", CURRICULUM)
def test_the_same_seed_gives_the_same_samples_to_the_bit(stage: str) -> None:
    one, two = (render(simulator(CURRICULUM[stage]).draw(5), SOUNDS) for _ in range(2))
    np.testing.assert_array_equal(one.samples, two.samples)
    np.testing.assert_array_equal(one.sources, two.sources)


@given(st.integers(0, 2**50))
@settings(max_examples=30)
def test_a_recipe_survives_json(seed: int) -> None:
    recipe = simulator(MixtureConfig()).draw(seed)
    assert MixtureRecipe.from_json(recipe.to_json()) == recipe


@given(st.integers(0, 2**50))
@settings(max_examples=60)
def test_channels_never_overlap_themselves_and_turns_start_in_order(seed: int) -> None:
    recipe = simulator().draw(seed)
    assert all(one.span.start_s < other.span.start_s for one, other in pairwise(recipe.turns))
    for channel in (0, 1):
        spans = [turn.span for turn in recipe.turns if turn.channel == channel]
        assert all(one.end_s <= other.start_s for one, other in pairwise(spans))
    assert recipe.turns[-1].span.end_s < recipe.duration_s <= simulator().config.max_duration_s


@given(st.integers(0, 2**50))
@settings(max_examples=20)
def test_words_are_where_the_sound_is_whatever_the_speed(seed: int) -> None:
    mixture = render(simulator().draw(seed), SOUNDS)
    for channel, source in enumerate(mixture.sources):
        spoken = np.zeros(len(source), bool)
        for word in (word for turn in mixture.recipe.turns if turn.channel == channel for word in turn.words):
            spoken[round((word.start_s - 0.003) * MODEL_RATE_HZ) : round((word.end_s + 0.003) * MODEL_RATE_HZ)] = True
            heard = source[round((word.start_s + 0.02) * MODEL_RATE_HZ) : round((word.end_s - 0.02) * MODEL_RATE_HZ)]
            assert np.sqrt(np.mean(heard**2)) > 0.005
        assert np.max(np.abs(source[~spoken]), initial=0) < 1e-3


def test_without_noise_the_mixture_is_the_sum_of_its_channels() -> None:
    config = replace(DRY, room_share=1.0)
    mixture = render(simulator(config).draw(1), SOUNDS)
    np.testing.assert_allclose(mixture.samples, mixture.sources.sum(axis=0), atol=1e-6)
    assert max(turn.response for turn in mixture.recipe.turns) >= 0


def test_noise_comes_at_the_snr_of_the_recipe_and_not_into_the_sources() -> None:
    recipe = simulator(replace(DRY, noise_share=1.0)).draw(2)
    noisy, clean = (render(replace(recipe, degradation=what), SOUNDS) for what in (recipe.degradation, Degradation()))
    added = noisy.samples - noisy.sources.sum(axis=0)
    snr_db = 10 * np.log10(np.mean(noisy.sources.sum(axis=0) ** 2) / np.mean(added**2))
    assert snr_db == pytest.approx(recipe.degradation.snr_db, abs=0.1)
    scale = np.max(np.abs(clean.sources)) / np.max(np.abs(noisy.sources))
    np.testing.assert_allclose(noisy.sources * scale, clean.sources, atol=1e-5)


def test_by_telephone_nothing_is_left_above_the_band() -> None:
    recipe = replace(simulator(replace(DRY, noise_share=1.0)).draw(3), degradation=Degradation(telephone=True))
    mixture = render(recipe, SOUNDS)
    for samples in (mixture.samples, *mixture.sources):
        power = np.abs(np.fft.rfft(samples)) ** 2
        above = np.fft.rfftfreq(len(samples), 1 / MODEL_RATE_HZ) > 4200
        assert len(samples) == round(recipe.duration_s * MODEL_RATE_HZ)
        assert np.sum(power[above]) <= 1e-3 * np.sum(power)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_overlap_comes_near_the_share_aimed_at(share: float) -> None:
    config = replace(DRY, overlap_share=(share, share), natural_share=0, talkers=(3, 3), turns=(5, 5), turn_s=(2.5, 4))
    draws = [simulator(replace(config, max_duration_s=60)).draw(seed) for seed in range(40)]
    ratios = [overlap_ratio([turn.span for turn in recipe.turns]) for recipe in draws]
    assert np.median(ratios) == pytest.approx(share, abs=0.05)


def test_one_talker_alone_pauses_between_turns_never_twice_as_long() -> None:
    turns = simulator(replace(DRY, talkers=(1, 1), turns=(4, 4), max_duration_s=60)).draw(0).turns
    pauses = [after.span.start_s - before.span.end_s for before, after in pairwise(turns)]
    assert min(pauses) > 0.8
    assert len(set(pauses)) == 3


def test_digits_are_several_of_one_talker_and_single_words_are_single() -> None:
    config = replace(DRY, domains=("digits",), domain_weights=(1.0,), mixed_domains_share=0)
    counts = {len(turn.words) for seed in range(30) for turn in simulator(config).draw(seed).turns}
    assert counts == {3, 4, 5, 6, 7}
    one = replace(config, digits_per_turn=(1, 1), turns=(1, 1), talkers=(1, 1))
    assert all(len(simulator(one).draw(seed).turns[0].words) == 1 for seed in range(10))


def test_a_changed_speed_is_another_talker_with_other_times() -> None:
    faster = replace(DRY, speeds=(1.1,), shuffled_share=0)
    turns = simulator(faster).draw(0).turns
    assert all(turn.speaker.endswith("@1.1") for turn in turns)
    assert turns[0].words[0].end_s - turns[0].words[0].start_s == pytest.approx(0.3 / 1.1, abs=2e-4)


@given(st.integers(1, 20), st.floats(0.05, 2.0), st.floats(0.0, 0.5))
def test_phrases_hold_every_word_once_and_none_is_too_long(num_words: int, word_s: float, pause_s: float) -> None:
    spoken = utterance("t0", 0, num_words=num_words, word_s=word_s, pause_s=pause_s)
    phrases = phrases_of(spoken)
    assert [word for phrase in phrases for word in phrase.words] == list(spoken.words)
    assert all(phrase.duration_s <= 4.0 or len(phrase.words) == 1 for phrase in phrases)


def test_phrases_that_follow_each_other_are_cut_out_in_one() -> None:
    phrases = phrases_of(utterance("t0", 0))
    random = np.random.default_rng(0)
    assert len(join_phrases(phrases, speed=1.0, random=random).pieces) == 1
    assert len(join_phrases(phrases[::-1], speed=1.0, random=random).pieces) == len(phrases) == 3


def test_room_responses_begin_with_the_direct_sound_and_have_unit_energy() -> None:
    assert len(BANK.responses) == 2 * POSITIONS
    np.testing.assert_allclose(np.linalg.norm(BANK.responses, axis=1), 1, rtol=1e-5)
    for response in BANK.responses:
        first = int(np.argmax(np.abs(response) > 0.3 * np.abs(response).max()))
        assert abs(first - LEAD_SAMPLES) <= 2


def test_recipes_that_name_sounds_not_at_hand_are_refused() -> None:
    recipe = simulator(replace(DRY, room_share=1, noise_share=1)).draw(0)
    with pytest.raises(InvalidRequestError, match="room response"):
        render(recipe, Sounds(SOUNDS.speech, SOUNDS.noises))
    with pytest.raises(InvalidRequestError, match=r"noise hiss\.wav"):
        render(recipe, Sounds(SOUNDS.speech, {}, BANK))
    with pytest.raises(InvalidRequestError, match="not a mixture recipe"):
        MixtureRecipe.from_json("{}")


def test_configurations_that_cannot_be_drawn_are_refused() -> None:
    for fields in ({"talkers": (0, 1)}, {"overlap_share": (0.5, 0.2)}, {"turns": (3, 2)}, {"domains": ("read",)}):
        with pytest.raises(ValueError, match="got"):
            MixtureConfig(**fields)
    with pytest.raises(ValueError, match="no utterance"):
        MixtureSimulator([], DRY)
