"""What a verifier is trained on: the same in every run, in any number of processes, across sessions."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svc.types import MODEL_RATE_HZ, Waveform
from tests.training.data.toy_voices import VoicesInMemory, toy_speakers
from training.data.codecs import CODECS, Codec, Coding, coded
from training.data.rendering import Sounds
from training.data.speaker_augmentation import AugmentationConfig, augmented, draw_augmentation
from training.data.speaker_batches import (
    CachedFeatures,
    CutConfig,
    SpeakerBatch,
    SpeakerFeatures,
    across_sessions,
    speaker_batches,
)
from training.data.speaker_schedule import SpeakerSchedule
from training.distributed import World

DRY = AugmentationConfig(room_share=0, noise_share=0, telephone_share=0, codec_share=0)
HISS = {"hiss": Waveform(np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32), MODEL_RATE_HZ)}


def features(augmentation: AugmentationConfig = DRY, *, utterances: int = 2) -> SpeakerFeatures:
    config = CutConfig(utterances=utterances, duration_s=(0.3, 0.5), augmentation=augmentation)
    return SpeakerFeatures(toy_speakers(8), Sounds(VoicesInMemory(), HISS), config, seed=5)


def batches(world: World | None = None, *, first_step: int = 0, count: int = 3) -> list[SpeakerBatch]:
    made = speaker_batches(
        features(), SpeakerSchedule(8, 4, seed=1), world=world or World(), first_step=first_step, workers=0
    )
    return list(islice(made, count))


def test_a_batch_is_n_talkers_by_m_utterances_of_different_sessions() -> None:
    examples = features()
    for batch in batches():
        assert batch.inputs.shape[0] == 4 * 2
        assert batch.inputs.shape[2] == 80
        assert len(set(batch.speakers.tolist())) == 4
        torch.testing.assert_close(batch.groups, (batch.speakers % 2)[:, None].expand(4, 2))
    assert len({cut.session.clips[0].path for cut in examples.cuts((0, 3))}) == 2


def test_the_batches_of_two_ranks_joined_are_those_of_one() -> None:
    whole = batches()
    ranks = [batches(World(rank=rank, size=2)) for rank in range(2)]
    for one, *parts in zip(whole, *ranks, strict=True):
        torch.testing.assert_close(torch.cat([part.inputs for part in parts]), one.inputs, rtol=0, atol=0)
        torch.testing.assert_close(torch.cat([part.speakers for part in parts]), one.speakers)


def test_a_run_goes_on_with_the_very_next_batch() -> None:
    torch.testing.assert_close(batches(first_step=2, count=1)[0].inputs, batches()[2].inputs, rtol=0, atol=0)


def test_no_two_steps_are_alike() -> None:
    examples = features()
    first, second = examples[0, 3].inputs, examples[1, 3].inputs
    assert first.shape != second.shape or not np.allclose(first, second)


def test_processes_that_cannot_share_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 4"):
        batches(World(size=3))


@pytest.mark.parametrize("kind", ["room", "noise", "telephone", "codec"])
def test_each_augmentation_changes_the_sound_and_neither_its_length_nor_its_next_hearing(kind: str) -> None:
    shares = {f"{name}_share": float(name == kind) for name in ("room", "noise", "telephone", "codec")}
    config = replace(DRY, **shares)  # type: ignore[arg-type]
    samples = VoicesInMemory().read("toy/t1/0_0.wav", 0, 0.5)
    drawn = [draw_augmentation(np.random.default_rng(4), config, [("hiss", 0.5)]) for _ in range(2)]
    one, other = (augmented(samples, augmentation, HISS) for augmentation in drawn)
    assert one.shape == samples.shape
    np.testing.assert_array_equal(one, other)
    assert not np.allclose(one, samples, atol=1e-3)


def test_nothing_asked_for_is_nothing_done() -> None:
    samples = VoicesInMemory().read("toy/t1/0_0.wav", 0, 0.5)
    plain = augmented(samples, draw_augmentation(np.random.default_rng(0), DRY, []), {})
    np.testing.assert_array_equal(plain, samples)


@pytest.mark.parametrize("codec", CODECS)
def test_minutes_go_through_a_codec(codec: Codec) -> None:
    # In one piece, three minutes of Vorbis overflowed the stack and ended the process.
    assert coded(np.zeros(180 * MODEL_RATE_HZ, np.float32), Coding(codec, 0.5)).shape == (180 * MODEL_RATE_HZ,)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"codec_share": 1.5}, "codec_share must be in 0..1"),
        ({"compression": (0.5, 1.2)}, "compression must be two rising numbers from 0 to 1"),
        ({"snr_db": (20.0, 5.0)}, "snr_db must be two rising numbers, got"),
    ],
)
def test_an_augmentation_that_makes_no_sense_is_named(broken: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AugmentationConfig(**broken)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_the_voice(codec: Codec) -> None:
    samples = VoicesInMemory().read("toy/t1/0_0.wav", 0, 1.0)
    heard = coded(samples, Coding(codec, 0.3))
    spectra = [np.abs(np.fft.rfft(each[4_000:12_000]))[:1_000] for each in (samples, heard)]
    assert np.corrcoef(spectra[0], spectra[1])[0, 1] > 0.9


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 99))
def test_cached_cuts_are_taken_session_by_session(sessions: list[int], seed: int) -> None:
    order = across_sessions(np.random.default_rng(seed), np.array(sessions))
    assert sorted(order.tolist()) == list(range(len(sessions)))
    first = [sessions[number] for number in order[: len(set(sessions))]]
    assert sorted(first) == sorted(set(sessions))


def test_cached_batches_are_rows_of_what_was_cached() -> None:
    made = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
    sessions = np.array([[0, 0, 1, 1]] * 3)
    cached = CachedFeatures(made, sessions, 10 + sessions, utterances=2, seed=0)
    example = cached[7, 2]
    rows = [made[2].tolist().index(row) for row in example.inputs.tolist()]
    assert sorted(sessions[2, rows].tolist()) == [0, 1]
    assert example.groups.tolist() == [10 + sessions[2, row] for row in rows]
    with pytest.raises(ValueError, match="only 4 are cached"):
        CachedFeatures(made, sessions, sessions, utterances=5, seed=0)
