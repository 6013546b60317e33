"""The table of encoders' costs: a row a file, with what the encoder itself tells."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.models.test_flops import counting
from training import compare_encoders

# Torch speaks of graphics cards where operations are counted.
pytestmark = pytest.mark.filterwarnings("ignore:TF32 acceleration")

S_PER_FLOP = 1e-9
SMALL = 'kind = "lstm"\nlstm = {hidden_width = 8, num_layers = 1, width = 8}\n'


@pytest.fixture
def counted_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time goes by with the operations torch is seen to do, however busy the machine is."""
    with counting() as counter:
        clock = SimpleNamespace(process_time=lambda: S_PER_FLOP * counter.get_total_flops())
        monkeypatch.setattr(compare_encoders, "time", clock)
        # A step that is counted is like any other.
        frames = compare_encoders.STEP_FRAMES * (compare_encoders.WARM_STEPS + 2)
        monkeypatch.setattr(compare_encoders, "TIMED_FRAMES", frames)
        yield


def test_a_row_tells_what_the_encoder_does(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    (cost,) = compare_encoders.costs_of(tmp_path / "small.toml", num_streams=2)
    assert cost.num_parameters == 4 * 8 * (320 + 8 + 2) + 8 * 8 + 8 + 2 * 8
    assert cost.state_bytes == 2 * 8 * 4
    assert 0 < cost.cpu_factor < 1
    assert cost.row[0] == "small"


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


@pytest.mark.usefixtures("counted_time")
@pytest.mark.parametrize("num_streams", [1, 3])
def test_time_is_that_of_the_work_a_second_of_one_channel_takes(tmp_path: Path, num_streams: int) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    (cost,) = compare_encoders.costs_of(tmp_path / "small.toml", num_streams=num_streams)
    assert cost.cpu_factor == pytest.approx(S_PER_FLOP * cost.flops_per_s)


@pytest.mark.usefixtures("counted_time")
def test_an_encoder_that_skips_is_timed_at_work_and_idle(tmp_path: Path) -> None:
    sizes = "{block_width = 256, num_heads = 4, num_layers = 2, left_context_frames = 20}"
    (tmp_path / "skips.toml").write_text(f'kind = "amortised"\namortised = {sizes}\n')
    at_work, idle = compare_encoders.costs_of(tmp_path / "skips.toml", num_streams=2)
    assert idle.flops_per_s < at_work.flops_per_s / 2
    for cost in (at_work, idle):
        assert cost.cpu_factor == pytest.approx(S_PER_FLOP * cost.flops_per_s, rel=0.02)
