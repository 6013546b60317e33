"""Which group each trial belongs to: by a column of the list, or by what is known of the people on either side.

Letters: S sides, T trials, G groups.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svc.errors import InvalidRequestError
from training.data.manifest import opened
from training.data.trial_list import TrialList, check_named_once
from training.fairness.countries import Minimum, pooled
from training.metrics.scored_trials import Counts, Labels
from training.metrics.verification import Mask

# What has more values than this is names, not groups.
MAX_GROUPS = 200
UNKNOWN = "(unknown)"
UNKNOWN_WORDS = {"", "unknown", UNKNOWN, "n/a", "nan", "not known", "?"}
PERSON_COLUMNS = ("speaker", "side")
CROSSED_BY = "+"
COUNTRY, SEX = "country", "sex"


class Pairs(StrEnum):
    """Which trials tell about a group. Target trials have one person, and one group, in all three."""

    WITHIN = "within"  # both people are of the group: the hardest strangers
    CROSS = "cross"  # the enrolled one is, and the stranger is known to be of another
    ENROLMENT = "enrolment"  # the enrolled one is, whoever the stranger


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Grouping:
    """`labels` (T,) numbers into `groups`, -1 = of none; `speakers` (G,) people of the group in its trials."""

    name: str
    groups: tuple[str, ...]
    labels: Labels
    speakers: tuple[Counts, ...]
    pairs: Pairs | None = None
    # What a pooled group is made of, with people counted: {"Caribbean (pooled)": {"Jamaica": 2, ..}}.
    members: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def n_speakers(self) -> tuple[int, ...]:
        """(G,) people in trials of any kind."""
        return tuple(counts.both for counts in self.speakers)

    @property
    def n_left_out(self) -> int:
        """Trials of no group, such as those between groups when pairs are within."""
        return int(np.sum(self.labels < 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What is known of people: column -> speaker (or side, where the list names no speakers) -> value.

    `varying`: columns in which somebody has several values, such as the session, with one who has: nothing people can
    be grouped by.
    `speaker_of`: side -> speaker, where the table has a column of either.
    """

    columns: Mapping[str, Mapping[str, str]]
    varying: Mapping[str, str] = field(default_factory=dict)
    speaker_of: Mapping[str, str] = field(default_factory=dict)

    def known(self, column: str) -> Mapping[str, str]:
        """Raises InvalidRequestError listing the columns there are."""
        if column in self.varying:
            message = f"{column!r} is not of a person: {self.varying[column]} has several"
            raise InvalidRequestError(message, field="by")
        if column not in self.columns:
            there = ", ".join(self.columns)
            raise InvalidRequestError(f"nothing is known of {column!r}; there are {there}", field="by")
        return self.columns[column]


def read_people(path: Path) -> People:
    """A CSV with a column `speaker` (or `side`, or both, to say whose side it is), any other an attribute.

    Blanks and UNKNOWN_WORDS tell nothing: people have the value that any of their lines has.

    Raises InvalidRequestError.
    """
    if not path.is_file():
        raise InvalidRequestError(f"no table of people at {path}", field="people")
    names, rows = _table(path)
    key = next((name for name in PERSON_COLUMNS if name in names), None)
    if key is None:
        raise InvalidRequestError(f"{path}:1: no column {' or '.join(PERSON_COLUMNS)}", field="people")
    check_named_once(names, path, "people")
    rows = [row for row in rows if _known(row[key])]
    if not rows:
        raise InvalidRequestError(f"{path} tells of nobody: no line below its header has a {key}", field="people")
    columns: dict[str, dict[str, str]] = {name: {} for name in names if name not in PERSON_COLUMNS}
    varying = {
        name: row[key]
        for row in rows
        for name, known in columns.items()
        if (value := _known(row[name])) and known.setdefault(row[key], value) != value
    }
    return People(
        columns={name: known for name, known in columns.items() if name not in varying},
        varying=varying,
        speaker_of=_speaker_of(rows, path) if {*PERSON_COLUMNS} <= {*names} else {},
    )


def _speaker_of(rows: Sequence[Mapping[str, str]], path: Path) -> dict[str, str]:
    speakers: dict[str, str] = {}
    for row in rows:
        side, speaker = row["side"], row["speaker"]
        if (above := speakers.setdefault(side, speaker)) != speaker:
            message = f"{path}: {side} is of speaker {above!r} on one line and of {speaker!r} on another: mend one"
            raise InvalidRequestError(message, field="people")
    return speakers


def _known(value: str) -> str:
    """Empty for what says that nothing is known: a blank beside a value is no second one."""
    return "" if value.casefold() in UNKNOWN_WORDS else value


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with opened(path, "people") as file:
        reader = csv.DictReader(file)
        names = [name for name in reader.fieldnames or () if name]
        return names, [{name: (row[name] or "").strip() for name in names} for row in reader]


def by_column(name: str, values: npt.NDArray[np.str_], trials: TrialList) -> Grouping:
    """A column of the list (T,): every trial is of the group it says, and all that say nothing of one."""
    said, number = np.unique(values, return_inverse=True)
    names, group_of = np.unique([_known(value) or UNKNOWN for value in said.tolist()], return_inverse=True)
    return _grouping(name, names.tolist(), group_of.astype(np.int64)[number], trials)


def by_people(
    name: str, people: People, trials: TrialList, *, pairs: Pairs = Pairs.WITHIN, minimum: Minimum | None = None
) -> Grouping:
    """An attribute, or several crossed ("sex+country"); countries too small are pooled unless minimum is None.

    Raises InvalidRequestError for more than MAX_GROUPS.
    """
    units = sorted({*trials.units})
    parts = [attribute(part, people, units, minimum) for part in name.split(CROSSED_BY)]
    group_of = {
        unit: f" {CROSSED_BY} ".join(values) if all(values := [part[unit] for part in parts]) else UNKNOWN
        for unit in units
    }
    names, numbers = np.unique(np.array([group_of[unit] for unit in trials.units]), return_inverse=True)
    enrolment, test = numbers[trials.enrolment], numbers[trials.test]
    labels = enrolment.astype(np.int64)
    if pairs is Pairs.WITHIN:
        labels[enrolment != test] = -1
    elif pairs is Pairs.CROSS:
        known = names != UNKNOWN
        labels[~trials.target & ((enrolment == test) | ~(known[enrolment] & known[test]))] = -1
    if len(names) > MAX_GROUPS:
        message = f"--by {name} makes {len(names)} groups, more than {MAX_GROUPS}: name what many people share"
        raise InvalidRequestError(message, field="by")
    members = _members(name, people, group_of) if COUNTRY in name.split(CROSSED_BY) else {}
    return _grouping(name, names.tolist(), labels, trials, pairs=pairs, members=members)


def attribute(name: str, people: People, units: Sequence[str], minimum: Minimum | None) -> dict[str, str]:
    """Unit -> value, empty = unknown; countries too small are pooled unless minimum is None."""
    known = people.known(name)
    values = {unit: known.get(unit, "") for unit in units}
    if name != COUNTRY or minimum is None:
        return values
    sexes = people.columns.get(SEX, {})
    return pooled(values, {unit: sexes.get(unit, "") for unit in units}, minimum)


def _members(name: str, people: People, group_of: Mapping[str, str]) -> dict[str, dict[str, int]]:
    countries: dict[str, dict[str, int]] = {}
    for unit, group in group_of.items():
        if "(pooled)" in group:
            country = people.known(COUNTRY).get(unit, "")
            members = countries.setdefault(group, {})
            members[country] = members.get(country, 0) + 1
    return countries


def _grouping(
    name: str,
    groups: Sequence[str],
    labels: Labels,
    trials: TrialList,
    *,
    pairs: Pairs | None = None,
    members: Mapping[str, Mapping[str, int]] | None = None,
) -> Grouping:
    used = np.unique(labels[labels >= 0])
    number_of = np.full(len(groups) + 1, -1)  # the last stands for -1
    number_of[used] = np.arange(len(used))
    labels = number_of[labels]
    return Grouping(
        name=name,
        groups=tuple(groups[number] for number in used),
        labels=labels,
        speakers=_speakers(labels, len(used), trials, both=pairs in (None, Pairs.WITHIN)),
        pairs=pairs,
        members=members or {},
    )


def _speakers(labels: Labels, num_groups: int, trials: TrialList, *, both: bool) -> tuple[Counts, ...]:
    """Of either side where both are of the group, else of the enrolled one."""
    units = trials.unit_of_side
    sides = [trials.enrolment, trials.test] if both else [trials.enrolment]
    width = len(units) + 1
    keys = [labels * width + units[side] for side in sides]

    def people(kind: Mask) -> Labels:
        """(G,) in these trials (T,)."""
        seen = np.unique(np.concatenate([key[kind & (labels >= 0)] for key in keys]))
        return np.bincount(seen // width, minlength=num_groups)

    kinds = zip(people(trials.target), people(~trials.target), people(labels >= 0), strict=True)
    return tuple(Counts(target=int(one), nontarget=int(other), both=int(either)) for one, other, either in kinds)
