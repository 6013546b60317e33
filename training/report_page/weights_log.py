"""Reads the weights of each group from the curves that training.train_embedder leaves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from svc.errors import InvalidRequestError
from training.report_page.page_weights import WeightSeries

PREFIX = "train/weight "
POINTS = 40


def read_weights(folder: Path) -> tuple[WeightSeries, ...]:
    """Of `OUT/curves` of training.train_embedder, most weighty at the end first. Raises InvalidRequestError if none."""
    if not folder.is_dir():
        raise InvalidRequestError(f"no folder of curves at {folder}: give OUT/curves of a training", field="weights")
    log = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    log.Reload()
    names = [name for name in log.Tags()["scalars"] if name.startswith(PREFIX)]
    if not names:
        raise InvalidRequestError(
            f"{folder} holds no weights by group: give the curves/ of a training", field="weights"
        )
    series = (_series(name.removeprefix(PREFIX), log.Scalars(name)) for name in names)
    return tuple(sorted(series, key=lambda each: -each.weights[-1]))


def _series(group: str, events: Sequence[object]) -> WeightSeries:
    steps, values = (np.array([getattr(event, name) for event in events], np.float64) for name in ("step", "value"))
    spans = [span for span in np.array_split(np.arange(len(steps)), POINTS) if len(span)]
    return WeightSeries(
        group=group,
        steps=tuple(float(steps[span].mean()) for span in spans),
        weights=tuple(float(values[span].mean()) for span in spans),
    )
