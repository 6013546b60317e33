"""The few steps of a live piece, written out, against torch's own LSTM."""

import pytest
import torch
from torch import nn

from svc.models.lstm_encoder import run_few_steps, run_lstm, zero_lstm_state


@pytest.mark.parametrize("num_steps", [1, 3, 16])
@pytest.mark.parametrize("batch", [1, 5])
def test_steps_written_out_equal_torchs(batch: int, num_steps: int) -> None:
    torch.manual_seed(num_steps)
    lstm, inputs = nn.LSTM(6, 8, batch_first=True), torch.randn(batch, num_steps, 6)
    state = torch.randn(batch, 1, 8), torch.randn(batch, 1, 8)
    theirs, their_state = run_lstm(lstm, inputs, state)  # with gradients: torch's
    ours, our_state = run_few_steps(lstm, inputs, state)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(our_state, their_state)


def test_gradients_are_torchs_whatever_the_length() -> None:
    lstm = nn.LSTM(6, 8, batch_first=True)
    outputs, _ = run_lstm(lstm, torch.randn(2, 3, 6), zero_lstm_state(lstm, 2))
    torch.autograd.backward(outputs.sum())
    assert lstm.weight_hh_l0.grad is not None


def test_a_cpu_stays_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    lstm, inputs = nn.LSTM(6, 8, num_layers=2, batch_first=True), torch.randn(2, 30, 6)
    exact, _ = run_lstm(lstm, inputs, zero_lstm_state(lstm, 2))
    with torch.autocast("cpu", torch.bfloat16):
        outputs, state = run_lstm(lstm, inputs, zero_lstm_state(lstm, 2))
    assert {tensor.dtype for tensor in (outputs, *state)} == {torch.float32}
    torch.testing.assert_close(outputs, exact, rtol=0, atol=0)
