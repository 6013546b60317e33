"""Results as JSON, and files that are either whole or absent."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from svc.whole_file import replacing


def to_plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Dataclasses, enums, moments and paths as what JSON has; what is not a finite number becomes null."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case Path():
            return str(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    return value


def to_json(value: object) -> str:
    """Indented JSON, one value a document."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def to_json_line(value: object) -> str:
    """JSON without a line break, for programs that read line by line."""
    return json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False)


def write_whole(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Writes beside `path`, or where it links to, and renames; into a device or a pipe straight away."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_text(content, encoding="utf-8")
        return
    with replacing(path) as beside:
        beside.touch(mode)  # before there is anything in it to read
        beside.write_text(content, encoding="utf-8")


def uri_of(recording: Path) -> str:
    """The recording's name in files that separate columns by spaces."""
    return "_".join(recording.stem.split()) or "recording"
