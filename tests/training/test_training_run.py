"""What runs of training do alike: checkpoints and curves are the first rank's, rates rise and fall as asked."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.distributed import World
from training.training_curves import TrainingCurves
from training.training_run import first_ranks_curves, learning_rate, run_parser, saved, timed

FIRST, SECOND = (World(rank=rank, size=2, device=torch.device("cpu")) for rank in (0, 1))


@pytest.mark.parametrize(("world", "expected"), [(FIRST, 1), (SECOND, 0)])
def test_only_the_first_rank_saves_and_after_the_last_step_too(world: World, expected: int) -> None:
    saves: list[bool] = []
    assert list(saved([1, 2, 3], lambda: saves.append(True), world)) == [1, 2, 3]
    assert len(saves) == expected


def test_a_long_run_is_saved_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.training_run.CHECKPOINT_INTERVAL_S", -1.0)
    saves: list[bool] = []
    assert list(saved([1, 2], lambda: saves.append(True), FIRST)) == [1, 2]
    assert len(saves) == 3


def test_only_the_first_rank_has_curves(tmp_path: Path) -> None:
    with first_ranks_curves(tmp_path / "second", SECOND, total_steps=1, first_step=0) as none:
        assert none is None
    with first_ranks_curves(tmp_path / "first", FIRST, total_steps=1, first_step=0) as curves:
        assert curves is not None
        curves.say(1, {"loss": 1.0})
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    assert list((tmp_path / "first" / "curves").iterdir())


def test_a_run_gone_on_with_keeps_what_its_checkpoint_knew(tmp_path: Path) -> None:
    for first_step, told in ((0, 1.0), (2, 2.0)):
        with TrainingCurves(tmp_path, total_steps=3, first_step=first_step) as curves:
            for step in range(first_step + 1, 4):
                curves.say(step, {"wer": told})
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(point.step, point.value) for point in read.Scalars("dev/wer")] == [(1, 1.0), (2, 1.0), (3, 2.0)]


def test_a_step_takes_as_long_as_its_batch_and_its_work_together() -> None:
    (figures,) = timed(["batch"], lambda batch: {"loss": 1.0})
    assert figures["loss"] == 1.0
    assert 0 <= figures["waited_s"] <= figures["step_s"]


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.floats(0, 1), st.integers(0, 50), st.integers(0, 20))
def test_the_rate_lies_between_its_ends_once_it_is_warm(
    first: float, last: float, done: float, step: int, warmup_steps: int
) -> None:
    rate = learning_rate(first, last, done=done, step=step, warmup_steps=warmup_steps)
    assert 0 < rate <= max(first, last) * (1 + 1e-9)
    if step + 1 >= warmup_steps:
        assert rate >= min(first, last) * (1 - 1e-9)
    else:
        assert rate == pytest.approx(
            learning_rate(first, last, done=done, step=step, warmup_steps=0) * (step + 1) / warmup_steps
        )


@pytest.mark.parametrize(
    ("option", "told"), [("--workers=-1", "must be 0 or more"), ("--out=/dev/null/x", "Not a dir")]
)
def test_options_no_run_can_have_are_told(option: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = run_parser("", recipes="here")
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["recipe.toml", "--out=here", option])
    assert told in capsys.readouterr().err
