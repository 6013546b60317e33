"""The encoder's input for cohorts: nothing told changes nothing, and told in a stream it is as told whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from svc.models.cohort_input import SHARPNESS, CohortInput
from svc.models.separator import NUM_CHANNELS
from svc.models.transcriber import Transcriber
from tests.models.toy_transcriber import random_mels, toy_config, toy_transcriber

NUM_COHORTS, VOICE_WIDTH = 3, 5


def told_model(kind: str) -> Transcriber:
    """The toy transcriber with an input for cohorts that was trained to matter."""
    model = Transcriber(replace(toy_config(kind), cohort_width=NUM_COHORTS, voice_width=VOICE_WIDTH)).eval()
    model.load_state_dict({**model.state_dict(), **toy_transcriber(kind).state_dict()})
    return model


def learnt(model: Transcriber) -> Transcriber:
    assert model.from_cohort is not None
    torch.manual_seed(2)
    torch.nn.init.normal_(model.from_cohort.project.weight)
    return model


def cohorts_for(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(batch, NUM_CHANNELS, NUM_COHORTS, generator=generator)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
@torch.no_grad()
def test_at_first_being_told_changes_no_bit(kind: str) -> None:
    mels = random_mels(2, 40)
    told = told_model(kind)(mels, cohorts=cohorts_for(2))
    assert torch.equal(told.frames, toy_transcriber(kind)(mels).frames)


@torch.no_grad()
def test_zeros_are_as_nothing_told() -> None:
    model, mels = learnt(told_model("lstm")), random_mels(2, 40)
    unknown = model(mels, cohorts=torch.zeros(2, NUM_CHANNELS, NUM_COHORTS))
    assert torch.equal(unknown.frames, model(mels).frames)


@torch.no_grad()
def test_each_channel_hears_its_own_cohort_alone() -> None:
    model, mels = learnt(told_model("lstm")), random_mels(1, 40)
    one = cohorts_for(1)
    other = one.clone()
    other[:, 1] = 0
    told, partly = model(mels, cohorts=one).frames, model(mels, cohorts=other).frames
    assert torch.equal(told[:, 0], partly[:, 0])
    assert not torch.equal(told[:, 1], partly[:, 1])


@pytest.mark.parametrize("kind", ["lstm", "transformer", "conv_rnn"])
@pytest.mark.parametrize("chunk", [4, 12])
@torch.no_grad()
def test_chunked_equals_whole_when_told(kind: str, chunk: int) -> None:
    model, mels, cohorts = learnt(told_model(kind)), random_mels(2, 48), cohorts_for(2)
    whole, _ = model.step(mels, model.initial_state(2), cohorts=cohorts)
    state, states, pieces, live = model.initial_state(2), [model.open_stream(), model.open_stream()], [], []
    for frames in torch.split(mels, chunk, dim=1):
        output, state = model.step(frames, state, cohorts=cohorts)
        pieces.append(output.frames)
        streamed, states = model.step_streams(frames, states, cohorts=cohorts)
        live.append(streamed.frames)
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole.frames, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat(live, dim=2), whole.frames, atol=1e-4, rtol=1e-4)


def placed() -> CohortInput:
    found = CohortInput(NUM_COHORTS, VOICE_WIDTH, 12)
    found.centroids.copy_(torch.randn(NUM_COHORTS, VOICE_WIDTH, generator=torch.Generator().manual_seed(4)))
    return found


@settings(max_examples=30)
@given(st.lists(st.floats(-3, 3, width=32), min_size=VOICE_WIDTH, max_size=VOICE_WIDTH).filter(any))
def test_shares_are_a_softmax_over_cosines(voice: list[float]) -> None:
    cohorts = placed()
    centroids, vector = cohorts.centroids.double().numpy(), np.array(voice)
    cosines = centroids @ vector / np.linalg.norm(centroids, axis=1) / np.linalg.norm(vector)
    weights = np.exp(SHARPNESS * (cosines - cosines.max()))
    found = cohorts.double().shares(torch.tensor(voice, dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), weights / weights.sum(), atol=1e-5)


def test_nothing_is_known_of_no_voice_or_without_centroids() -> None:
    assert not placed().shares(torch.zeros(VOICE_WIDTH)).any()
    assert not CohortInput(NUM_COHORTS, VOICE_WIDTH, 12).shares(torch.ones(VOICE_WIDTH)).any()


def test_voices_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="width 5, got 4"):
        placed().shares(torch.ones(4))
