"""Arguments people type, turned into what the client takes."""

import json
import os
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from equivox import Band, Container, Costs, Embedding, ProfileId
from equivox.requests import PolicyLike, VoiceLike


class UsageError(ValueError):
    """An argument that can never be right: exit code 2."""


def check_out(file: Path | None) -> None:
    """Raises UsageError where a file can never be written, before hours of work are done for it."""
    if file is None:
        return
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name a file in it")
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {file}: there is no folder {file.parent}, make it first")
    if not os.access(file if file.exists() and not file.is_file() else file.parent, os.W_OK):
        raise UsageError(f"cannot write {file}: no permission to write there")


def to_clip(file: Path, channel: int | None) -> Container:
    """An audio file or a pipe of one; missing ones are named before anything is loaded or sent."""
    if file.is_fifo():
        return Container(file.read_bytes(), channel=channel)  # as the shell's <(..), which can be read only once
    if file.exists() and not file.is_file() and not file.is_dir():
        raise UsageError(f"{file} is not a regular file or a pipe: name a file")
    if not file.is_file():
        raise UsageError(f"{file} is a folder: name a file in it" if file.is_dir() else f"no such file: {file}")
    return Container(file, channel=channel)


def to_voice(text: str, channel: int | None) -> VoiceLike:
    """`profile:ID`, `embedding:FILE` (as `equivox embed --out` wrote it) or the path of an audio file."""
    kind, separator, rest = text.partition(":")
    if separator and kind in ("profile", "embedding") and not rest:
        raise UsageError(f"{text} names no {kind}: write {kind}:{'ID' if kind == 'profile' else 'FILE'}")
    if separator and kind == "profile":
        return ProfileId(rest)
    if separator and kind == "embedding":
        return read_embedding(Path(rest))
    return to_clip(Path(text), channel)


def read_embedding(file: Path) -> Embedding:
    """An embedding out of the JSON of `equivox embed`. UsageError naming the file when it is something else."""
    try:
        document = json.loads(file.read_text())
        table = document.get("embedding", document)
        known = {field.name: table[field.name] for field in fields(Embedding)}
        band = Band(known["band"]) if known["band"] else None
        return Embedding(**{**known, "band": band, "values": tuple(map(float, known["values"]))})
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} is no embedding ({error}): make one with `equivox embed CLIP --out FILE`") from error


def to_policy(name: str | None, costs: str | None) -> PolicyLike:
    """A policy's name, or PRIOR,FALSE_ACCEPT,FALSE_REJECT[,BAND]."""
    if name and costs:
        raise UsageError("give either --policy or --costs, not both")
    if not costs:
        return name
    try:
        numbers = [float(part) for part in costs.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (3, 4):
        raise UsageError(f"--costs is PRIOR,FALSE_ACCEPT,FALSE_REJECT[,BAND], e.g. 0.01,10,1,0.5, got {costs!r}")
    prior, cost_false_accept, cost_false_reject, band = [*numbers, 0.0][:4]
    return Costs(
        prior=prior,
        cost_false_accept=cost_false_accept,
        cost_false_reject=cost_false_reject,
        inconclusive_band=band,
    )


def check_policy_used(policy: str | None, *, identify: bool) -> None:
    """Raises UsageError for a policy where nobody is identified, since it would change nothing."""
    if policy and not identify:
        raise UsageError("--policy decides who speakers are: give --identify too")


def to_moment(text: str | None) -> datetime | None:
    """An ISO date or time (UTC unless it says otherwise), or a number of days from now such as 90d."""
    if text is None:
        return None
    if days := re.fullmatch(r"(\d{1,6})d", text):
        return datetime.now(UTC) + timedelta(days=int(days[1]))
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--expires is a date such as 2030-01-31 or days such as 90d, got {text!r}") from None
