"""The live transcriber: streams together = each alone, in any pieces the same, for both decoders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.backends.protocols import Emission, RecognisedChunk
from svc.backends.transcriber import TransducerRecogniser, build_recogniser, load_recogniser
from svc.backends.transcriber_artifact import load_transcriber, save_transcriber
from svc.models.decoding import DecoderConfig
from svc.models.encoders import ENCODER_KINDS
from svc.models.transcriber import Transcriber
from svc.types import FloatArray
from tests.backends.toy_recogniser import UNITS, toy_mels, toy_recogniser
from tests.models.test_decoding import decode_whole
from tests.models.toy_transcriber import toy_config, toy_transcriber

every_beam = pytest.mark.parametrize("beam", [1, 3])
chunkings = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def run(recogniser: TransducerRecogniser, mels: FloatArray, chunks: list[int]) -> list[RecognisedChunk]:
    """Feeds chunks of so many 40 ms frames, over and over, and finishes."""
    state, found, start = recogniser.open(), [], 0
    for chunk in chunks:
        found += recogniser.step([state], [mels[start : start + 4 * chunk]])
        start += 4 * chunk
    return [*found, recogniser.finish(state)]


def tokens_of(chunks: list[RecognisedChunk]) -> list[list[tuple[int, int]]]:
    return [[(e.token_id, e.frame) for chunk in chunks for e in chunk.emissions[channel]] for channel in (0, 1)]


@every_beam
@settings(max_examples=10)
@given(chunks=chunkings)
def test_any_pieces_give_what_single_frames_give(beam: int, chunks: list[int]) -> None:
    recogniser, mels = toy_recogniser(beam), toy_mels(4 * sum(chunks))
    pieces, singles = run(recogniser, mels, chunks), run(recogniser, mels, [1] * sum(chunks))
    assert tokens_of(pieces) == tokens_of(singles)
    for name, axis in (("activity", 1), ("masks", 1)):
        ours, theirs = (np.concatenate([getattr(one, name) for one in run_], axis) for run_ in (pieces, singles))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@every_beam
@settings(max_examples=5)
@given(chunks=chunkings, seed=st.integers(0, 9))
def test_a_second_channel_that_rests_does_so_however_it_is_cut_and_changes_nothing_of_the_first(
    beam: int, chunks: list[int], seed: int
) -> None:
    resting = toy_recogniser(beam, second_voice_share=0.5, rest_after_frames=2)
    mels = toy_mels(4 * sum(chunks), seed)
    pieces, singles = run(resting, mels, chunks), run(resting, mels, [1] * sum(chunks))
    assert tokens_of(pieces) == tokens_of(singles)
    assert tokens_of(pieces)[0] == tokens_of(run(toy_recogniser(beam, second_voice_share=0.5), mels, chunks))[0]


@every_beam
def test_a_channel_that_rests_is_silent_and_says_nothing(beam: int) -> None:
    chunks = run(toy_recogniser(beam, second_voice_share=0.99, rest_after_frames=3), toy_mels(80), [5, 5, 5, 5])
    activity = np.concatenate([chunk.activity for chunk in chunks], axis=1)
    assert activity[0].all()
    assert (activity[1, :3] > 0).all()
    assert not activity[1, 3:].any()
    assert all(frame < 3 for _, frame in tokens_of(chunks)[1])


@pytest.mark.parametrize("kind", ["transformer", "lstm", "conformer"])
@every_beam
@settings(max_examples=5)
@given(plan=st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=3), min_size=1, max_size=5))
def test_streams_step_together_with_pieces_of_any_lengths_as_alone(kind: str, beam: int, plan: list[list[int]]) -> None:
    recogniser = toy_recogniser(beam, kind=kind, second_voice_share=0.5, rest_after_frames=3)
    together, alone = [[recogniser.open() for _ in range(3)] for _ in range(2)]
    for seed, lengths in enumerate(plan):
        mels = [toy_mels(4 * length, seed + length) for length in lengths]
        expected = [recogniser.step([state], [one])[0] for state, one in zip(alone, mels, strict=True)]
        for ours, theirs in zip(recogniser.step(together, mels), expected, strict=True):
            assert tokens_of([ours]) == tokens_of([theirs])
            np.testing.assert_allclose(ours.activity, theirs.activity, atol=1e-4)
            np.testing.assert_allclose(ours.masks, theirs.masks, atol=1e-4)


@every_beam
def test_streams_of_different_age_step_together_as_alone(beam: int) -> None:
    recogniser = toy_recogniser(beam)
    together, alone = [[recogniser.open() for _ in range(3)] for _ in range(2)]
    for states in (together, alone):
        for age, state in enumerate(states):
            for seed in range(age):
                recogniser.step([state], [toy_mels(8, seed)])
    mels = [toy_mels(12, seed) for seed in (10, 11, 12)]
    expected = [recogniser.step([state], [one])[0] for state, one in zip(alone, mels, strict=True)]
    for ours, theirs in zip(recogniser.step(together, mels), expected, strict=True):
        assert tokens_of([ours]) == tokens_of([theirs])
        assert ours.first_frame == theirs.first_frame
        np.testing.assert_allclose(ours.masks, theirs.masks, atol=1e-4)


@pytest.mark.parametrize("kind", ENCODER_KINDS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_artifact_of_any_encoder_is_served(tmp_path: Path, kind: str, precision: str) -> None:
    save_transcriber(tmp_path, toy_transcriber(kind), UNITS, {})
    recogniser = load_recogniser(tmp_path, precision=precision)
    together, alone = [[recogniser.open() for _ in range(2)] for _ in range(2)]
    for seed in range(3):
        mels = [toy_mels(8, seed), toy_mels(8, seed + 9)]
        ours = recogniser.step(together, mels)
        theirs = [recogniser.step([state], [one])[0] for state, one in zip(alone, mels, strict=True)]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.activity, other.activity, atol=1e-4 if precision == "float32" else 0.05)


@every_beam
def test_a_live_stream_emits_what_the_whole_pass_does_later_by_the_delay(beam: int) -> None:
    recogniser, mels = toy_recogniser(beam), toy_mels(80)
    with torch.inference_mode():
        whole = recogniser.model(torch.from_numpy(mels)[None])
        expected = decode_whole(recogniser.decoder, whole.frames[0])
    live = run(recogniser, mels, [3, 3, 6, 8])
    lag = round(recogniser.delay_s / recogniser.frame_s)
    assert lag == 1
    assert tokens_of(live) == [[(token.token_id, token.frame + lag) for token in row] for row in expected]
    activity = np.concatenate([chunk.activity for chunk in live], axis=1)[:, lag:]
    np.testing.assert_allclose(activity, whole.activity[0].sigmoid().numpy(), atol=1e-4)


@every_beam
def test_a_chunk_covers_the_frames_that_follow_the_last(beam: int) -> None:
    chunks = run(toy_recogniser(beam), toy_mels(40), [2, 3, 5])
    assert [chunk.first_frame for chunk in chunks] == [0, 2, 5, 10]
    assert [chunk.activity.shape for chunk in chunks] == [(2, 2), (2, 3), (2, 5), (2, 1)]
    for chunk in chunks:
        assert chunk.masks.shape[:2] == (2, 4 * chunk.activity.shape[1])
        assert ((chunk.masks >= 0) & (chunk.masks <= 1)).all()


def test_a_beam_shows_what_it_may_take_back_and_in_the_end_nothing() -> None:
    chunks = run(toy_recogniser(3), toy_mels(200), [2] * 25)
    partial = [emission for chunk in chunks for channel in chunk.partial for emission in channel]
    assert partial
    assert chunks[-1].partial == ((), ())


def test_confidences_are_probabilities_and_greedy_is_never_partial() -> None:
    chunks = run(toy_recogniser(1), toy_mels(200), [5] * 10)
    emissions: list[Emission] = [emission for chunk in chunks for row in chunk.emissions for emission in row]
    assert emissions
    assert all(0 < emission.confidence <= 1 for emission in emissions)
    assert all(chunk.partial == ((), ()) for chunk in chunks)


@every_beam
def test_a_step_that_fails_leaves_the_states_as_they_were(beam: int) -> None:
    recogniser, mels = toy_recogniser(beam), [toy_mels(8, seed) for seed in range(3)]
    tried, fresh = recogniser.open(), recogniser.open()
    recogniser.step([tried], mels[:1])
    recogniser.step([fresh], mels[:1])
    with pytest.raises(ValueError, match="positive multiples of 4"):
        recogniser.step([tried, recogniser.open()], [mels[1], mels[1][:5]])
    assert tokens_of(recogniser.step([tried], mels[1:2])) == tokens_of(recogniser.step([fresh], mels[1:2]))


@pytest.mark.slow
def test_an_hour_of_frames_leaves_the_state_as_large_as_it_was() -> None:
    recogniser = toy_recogniser(1)
    state = recogniser.open()
    before = state.num_bytes
    for seed in range(300):
        recogniser.step([state], [toy_mels(32, seed % 7)])
    assert state.num_bytes == before


def test_in_bfloat16_it_hears_nearly_the_same_in_half_the_memory(tmp_path: Path) -> None:
    save_transcriber(tmp_path, toy_transcriber(), UNITS, {})
    wide, narrow = load_recogniser(tmp_path), load_recogniser(tmp_path, precision="bfloat16")
    ours, theirs = (run(recogniser, toy_mels(80), [4] * 5) for recogniser in (narrow, wide))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.activity, other.activity, atol=0.02)
    assert narrow.open().num_bytes < 0.7 * wide.open().num_bytes
    assert narrow.fingerprint == wide.fingerprint


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="auto, float32, bfloat16"):
        load_recogniser(tmp_path, precision="float16")


def test_it_loads_from_an_artifact(tmp_path: Path) -> None:
    save_transcriber(tmp_path, toy_transcriber(), UNITS, {})
    recogniser = load_recogniser(tmp_path, DecoderConfig(beam=2), precision="auto")
    assert recogniser.units == UNITS
    assert len(recogniser.fingerprint) == 16
    assert recogniser.algorithmic_latency_s <= 0.120
    again = build_recogniser(toy_transcriber(), units=UNITS, fingerprint="x", decoder=DecoderConfig())
    assert again.frame_s == pytest.approx(0.04)


def test_one_that_learnt_words_alone_is_served_without_turn_tokens(tmp_path: Path) -> None:
    save_transcriber(tmp_path, toy_recogniser().model, UNITS, {}, turn_tokens=False)
    forgetful = DecoderConfig(forget_after_frames=1)

    def heard(recogniser: TransducerRecogniser) -> list[list[tuple[int, int]]]:
        return tokens_of(run(recogniser, toy_mels(160), [8] * 5))

    def built(decoder: DecoderConfig) -> TransducerRecogniser:
        return build_recogniser(load_transcriber(tmp_path).model, units=UNITS, fingerprint="x", decoder=decoder)

    served = heard(load_recogniser(tmp_path, forgetful))
    assert served == heard(built(replace(forgetful, turn_tokens=False)))
    assert served != heard(built(forgetful))


def asking_recogniser() -> TransducerRecogniser:
    """Wants to be told voices of width 5, and hears otherwise for it."""
    torch.manual_seed(3)
    model = Transcriber(replace(toy_config(), cohort_width=3, voice_width=5)).eval()
    assert model.from_cohort is not None
    torch.nn.init.normal_(model.from_cohort.project.weight)
    model.from_cohort.centroids.copy_(torch.randn(3, 5))
    return build_recogniser(model, units=UNITS, fingerprint="toy", decoder=DecoderConfig())


def test_a_stream_that_is_told_hears_otherwise_and_no_other_does() -> None:
    recogniser, mels = asking_recogniser(), toy_mels(32)
    assert recogniser.voice_width == 5
    told, other, alone = (recogniser.open() for _ in range(3))
    recogniser.tell(told, 0, np.ones(5, np.float32))
    one, two = recogniser.step([told, other], [mels, mels])
    (expected,) = recogniser.step([alone], [mels])
    np.testing.assert_allclose(two.activity, expected.activity, atol=1e-5)
    assert np.abs(one.activity[0] - expected.activity[0]).max() > 1e-3
    np.testing.assert_allclose(one.activity[1], expected.activity[1], atol=1e-5)


def test_what_a_stream_was_told_can_be_taken_back() -> None:
    recogniser, mels = asking_recogniser(), toy_mels(32)
    told, untold = recogniser.open(), recogniser.open()
    recogniser.tell(told, 1, np.ones(5, np.float32))
    recogniser.tell(told, 1, None)
    one, two = (recogniser.step([state], [mels])[0] for state in (told, untold))
    np.testing.assert_array_equal(one.activity, two.activity)


def test_a_model_that_does_not_ask_takes_no_notice() -> None:
    recogniser = toy_recogniser()
    assert recogniser.voice_width == 0
    recogniser.tell(recogniser.open(), 0, np.ones(7, np.float32))
