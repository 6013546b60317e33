"""What all runs in a study's folder share but are not named by: noted by its first start, held to by all others."""

import json
from collections.abc import Mapping
from pathlib import Path

from svc.errors import InvalidRequestError
from training.report_json import read_json, write_text


def settle(note: Path, chosen: Mapping[str, str | int]) -> None:
    """Notes what is chosen where nothing is yet. Raises as `check_settled` does."""
    check_settled(note, chosen)
    # Not written again, and never half: runs that start at once all read it.
    if not note.exists():
        write_text(note, json.dumps(chosen))


def check_settled(note: Path, chosen: Mapping[str, str | int]) -> None:
    """Raises InvalidRequestError naming the first that is noted otherwise."""
    noted = read_json(note) if note.exists() else chosen
    for name, asked in chosen.items():
        if noted.get(name) != asked:
            message = f"{note.parent} holds a study of {name} {noted.get(name)}, not {asked}"
            raise InvalidRequestError(f"{message}: go on with that, or give another --out", field=name)
