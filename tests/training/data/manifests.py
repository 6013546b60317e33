"""Manifests of toy corpora."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from training.data.manifest import COLUMNS


def write_manifest(folder: Path, rows: Iterable[Mapping[str, object]], *, further: Sequence[str] = ()) -> None:
    """What a row does not tell is unknown. `further`: columns of its own."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, (*COLUMNS, *further), restval="")
        writer.writeheader()
        writer.writerows(rows)
