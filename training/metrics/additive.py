"""Counts of errors that add, so that the rate of a sum weighs its parts as it should."""

from dataclasses import dataclass, fields, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Additive:
    """A base for dataclasses every field of which adds."""

    def __add__(self, other: Self) -> Self:
        return replace(
            self, **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        )
