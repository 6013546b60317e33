"""What a long training tells while it runs: TensorBoard curves, and one line on the terminal that says when it ends."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

# Where there is no terminal to draw a bar on, a log gets a line this often.
LOG_INTERVAL_S = 30.0


class TrainingCurves:
    """Curves under `folder`, a bar on stderr. One step is one call of `step`; `first_step`: how many are done."""

    def __init__(self, folder: Path, *, total_steps: int, first_step: int) -> None:
        self.console = Console(stderr=True)
        # The checkpoint's own step is not done again: its points stay.
        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self.console)
        self._logged_s = 0.0
        self._task = self._progress.add_task("starting", total=total_steps, completed=first_step)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._writer.close()

    def step(self, step: int, stage: str, terms: Mapping[str, float]) -> None:
        """Losses, rates and speeds after an optimiser step."""
        for name, value in terms.items():
            self._writer.add_scalar(f"train/{name}", value, step)
        told = " ".join(f"{name} {value:.3g}" for name, value in terms.items())
        self._progress.update(self._task, completed=step, description=f"{stage}: {told}")
        if not self.console.is_terminal and time.monotonic() - self._logged_s > LOG_INTERVAL_S:
            self._logged_s = time.monotonic()
            self.console.print(f"step {step} {stage}: {told}", highlight=False, soft_wrap=True)

    def say(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures that stay on the terminal: validation."""
        for name, value in figures.items():
            self._writer.add_scalar(f"dev/{name}", value, step)
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self.console.print(f"step {step} dev: {told}", highlight=False, soft_wrap=True)
