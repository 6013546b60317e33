"""The table of encoders' costs: a row a file, with what the encoder itself tells."""

import sys
from pathlib import Path

import pytest

from svc.models.encoders import EncoderConfig, build_encoder
from svc.models.lstm_encoder import LstmEncoderConfig
from training import compare_encoders

SMALL = 'kind = "lstm"\nlstm = {hidden_width = 8, num_layers = 1, width = 8}\n'


def test_a_row_tells_what_the_encoder_does(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    (cost,) = compare_encoders.costs_of(tmp_path / "small.toml", num_streams=2)
    assert cost.num_parameters == 4 * 8 * (320 + 8 + 2) + 8 * 8 + 8 + 2 * 8
    assert cost.state_bytes == 2 * 8 * 4
    assert 0 < cost.cpu_factor < 1
    assert cost.row[0] == "small"


def test_more_work_takes_more_time() -> None:
    factors = []
    for width in (8, 1024):
        config = EncoderConfig(kind="lstm", lstm=LstmEncoderConfig(hidden_width=width, num_layers=2))
        encoder = build_encoder(config, num_mels=80).eval()
        factors.append(compare_encoders.cpu_factor(encoder, compare_encoders.noise(1)))
    assert factors[0] < factors[1]


def test_the_command_prints_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.setattr(sys, "argv", ["compare_encoders", str(tmp_path / "small.toml")])
    compare_encoders.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| encoder", "| ---", "| small"]


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('kind = "gru"')
    with pytest.raises(ValueError, match=r"wrong\.toml: encoder kind"):
        next(compare_encoders.costs_of(tmp_path / "wrong.toml", num_streams=1))


def test_an_encoder_that_skips_is_timed_at_work_and_idle(tmp_path: Path) -> None:
    sizes = "{block_width = 256, num_heads = 4, num_layers = 2, left_context_frames = 20}"
    (tmp_path / "skips.toml").write_text(f'kind = "amortised"\namortised = {sizes}\n')
    at_work, idle = compare_encoders.costs_of(tmp_path / "skips.toml", num_streams=2)
    assert idle.flops_per_s < at_work.flops_per_s / 2
    assert idle.cpu_factor < at_work.cpu_factor
