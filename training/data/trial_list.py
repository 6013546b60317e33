"""A list of trials as columns, and its CSV: enrolment, test, target, optional speakers, any further columns are groups.

But for `score`, `llr` and `refused`, which some system said and are not read: a list may be an audit's scores.csv.

Without such a header, and not called .csv, it is lines with blanks between: `enrolment test target` as Kaldi has them,
or `target enrolment test`.

Letters: S distinct sides, T trials.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svc.errors import InvalidRequestError
from svc.whole_file import replacing
from training.data.manifest import opened

REQUIRED = ("enrolment", "test", "target")
SPEAKERS = ("enrolment_speaker", "test_speaker")
# What a system said of a trial: no groups, whichever list has such columns.
SCORES = ("score", "llr")
REFUSED = "refused"
TARGET_WORDS = {"1": True, "true": True, "target": True, "0": False, "false": False, "nontarget": False}

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One comparison. Sides are segments in text form; no speakers = unknown."""

    enrolment: str
    test: str
    target: bool
    enrolment_speaker: str = ""
    test_speaker: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrialList:
    """Trials as columns; each distinct side is named once, so that it is embedded once."""

    sides: tuple[str, ...]  # (S,)
    named_at: tuple[str, ...]  # (S,) file and line, for messages
    units: tuple[str, ...]  # (S,) whom the bootstrap resamples: the side's speaker, or the side itself where unknown
    enrolment: IndexArray  # (T,) into sides
    test: IndexArray  # (T,) into sides
    target: npt.NDArray[np.bool_]  # (T,)
    groups: Mapping[str, npt.NDArray[np.str_]]  # column -> (T,)
    has_speakers: bool  # of every side; where some are unknown files stand for people

    def __len__(self) -> int:
        return len(self.target)

    @property
    def unit_of_side(self) -> IndexArray:
        """(S,) numbers naming the units."""
        return np.unique(np.array(self.units), return_inverse=True)[1].astype(np.int64)

    @property
    def n_unnamed(self) -> int:
        """How many sides have no speaker."""
        return 0 if self.has_speakers else sum(not name for name in self._speakers)

    @property
    def _speakers(self) -> tuple[str, ...]:
        """(S,) empty = unknown."""
        if self.has_speakers:
            return self.units
        return tuple("" if unit == side else unit for unit, side in zip(self.units, self.sides, strict=True))

    @property
    def n_repeated(self) -> int:
        """How many trials are of a pair that stands further up."""
        return len(self) - len(np.unique(self._pairs))

    @property
    def n_with_itself(self) -> int:
        """How many trials are of a recording with itself."""
        return int(np.sum(self.enrolment == self.test))

    def pair_of_both_kinds(self) -> tuple[str, str] | None:
        """Sides that the list calls one person's here and two people's there, if there are some."""
        pairs = self._pairs
        both = np.intersect1d(pairs[self.target], pairs[~self.target])
        if not len(both):
            return None
        first, second = divmod(int(both[0]), len(self.sides))
        return self.sides[first], self.sides[second]

    @property
    def _pairs(self) -> IndexArray:
        """(T,) numbers naming the pair of sides, whichever of them is enrolled."""
        first, second = np.minimum(self.enrolment, self.test), np.maximum(self.enrolment, self.test)
        return first * len(self.sides) + second

    def select(self, mask: npt.NDArray[np.bool_]) -> "TrialList":
        """The trials where `mask` (T,) holds, of the same sides."""
        groups = {column: values[mask] for column, values in self.groups.items()}
        return replace(
            self, enrolment=self.enrolment[mask], test=self.test[mask], target=self.target[mask], groups=groups
        )

    def table(self) -> dict[str, list[Any]]:
        """Column -> (T,) as the CSV has it."""
        pair = (self.enrolment.tolist(), self.test.tolist())
        sides = {name: [self.sides[side] for side in column] for name, column in zip(REQUIRED, pair, strict=False)}
        speakers = self._speakers
        people = {name: [speakers[side] for side in column] for name, column in zip(SPEAKERS, pair, strict=True)}
        groups = {name: values.tolist() for name, values in self.groups.items()}
        target = {"target": self.target.astype(int).tolist()}
        return sides | target | (people if any(speakers) else {}) | groups


def collect_trials(rows: Iterable[tuple[str, Trial]]) -> TrialList:
    """Rows, each with where it stands (for messages), to columns. Contradicting labels are an error."""
    sides: dict[str, int] = {}
    named_at: list[str] = []
    speakers: dict[str, str] = {}
    edges: list[tuple[int, int, bool]] = []
    groups: dict[str, list[str]] = {}
    for where, trial in rows:
        _check_labels(trial, speakers, where)
        enrolment, test = (sides.setdefault(side, len(sides)) for side in (trial.enrolment, trial.test))
        named_at += [where] * (len(sides) - len(named_at))
        edges.append((enrolment, test, trial.target))
        for column, value in trial.groups.items():
            groups.setdefault(column, []).append(value)
    columns = np.array(edges, dtype=np.int64).reshape(-1, 3)
    return TrialList(
        sides=tuple(sides),
        named_at=tuple(named_at),
        units=tuple(speakers.get(side) or side for side in sides),
        enrolment=columns[:, 0],
        test=columns[:, 1],
        target=columns[:, 2].astype(bool),
        groups={column: np.array(values) for column, values in groups.items()},
        has_speakers=bool(sides) and speakers.keys() == sides.keys(),
    )


def _check_labels(trial: Trial, speakers: dict[str, str], where: str) -> None:
    names = (trial.enrolment_speaker, trial.test_speaker)
    for side, speaker in zip((trial.enrolment, trial.test), names, strict=True):
        if speaker and speakers.setdefault(side, speaker) != speaker:
            message = f"{where}: {side} is of speaker {speaker!r} here and {speakers[side]!r} above"
            raise InvalidRequestError(message, field="enrolment_speaker")
    if all(names) and (names[0] == names[1]) != trial.target:
        kind = "target" if trial.target else "nontarget"
        raise InvalidRequestError(f"{where}: a {kind} trial of speakers {names[0]!r} and {names[1]!r}", field="target")


def inputs_digest(trials: TrialList, scores: npt.NDArray[np.float64], refused: npt.NDArray[np.bool_]) -> str:
    """SHA-256 of the list, (T,) scores and refusals: the same for the same trials, people and scores in order."""
    digest = hashlib.sha256("\n".join((*trials.sides, *trials.units)).encode())
    # Lists without refusals keep the digest they had before there was such a column.
    for column in (trials.enrolment, trials.test, trials.target, scores, *([refused] if refused.any() else [])):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def read_trials(path: Path) -> TrialList:
    """Raises InvalidRequestError naming the line at fault."""
    if not path.is_file():
        raise InvalidRequestError(f"no trial list at {path}", field="trials")
    with opened(path, "trials") as file:
        header = {name.strip() for name in file.readline().split(",")}
        file.seek(0)
        is_csv = path.suffix.lower() == ".csv" or {*REQUIRED} <= header
        return collect_trials(_rows(csv.DictReader(file), path) if is_csv else _lines(file, path))


def write_trials(path: Path, trials: Iterable[Trial]) -> int:
    """Writes beside and renames, into a folder that is made where there is none; returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(trials)
    groups = sorted({column for trial in rows for column in trial.groups})
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*REQUIRED, *SPEAKERS, *groups])
        for trial in rows:
            speakers = (trial.enrolment_speaker, trial.test_speaker)
            labels = [trial.groups.get(column, "") for column in groups]
            writer.writerow([trial.enrolment, trial.test, int(trial.target), *speakers, *labels])
    return len(rows)


def _rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[tuple[str, Trial]]:
    columns = reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    if missing := [name for name in REQUIRED if name not in columns]:
        raise InvalidRequestError(f"{path}:1: no column {', '.join(missing)}; has {', '.join(columns)}", field="trials")
    if len(set(SPEAKERS) & set(columns)) == 1:
        raise InvalidRequestError(f"{path}:1: give both of {', '.join(SPEAKERS)}, or neither", field="trials")
    check_named_once(columns, path, "trials")
    groups = [name for name in columns if name and name not in (*REQUIRED, *SPEAKERS, *SCORES, REFUSED)]
    for row in reader:
        where = f"{path}:{reader.line_num}"
        if None in row or None in row.values():
            raise InvalidRequestError(f"{where}: {len(columns)} columns wanted, as in the header", field="trials")
        yield where, _trial({name: text.strip() for name, text in row.items()}, groups, where)


def check_named_once(columns: Sequence[str], path: Path, field: str) -> None:
    """Raises InvalidRequestError for a header in which a name stands twice: which is meant cannot be known."""
    if twice := [name for name, times in Counter(columns).items() if name and times > 1]:
        message = f"{path}:1: {', '.join(twice)} stands more than once in the header: leave out or rename all but one"
        raise InvalidRequestError(message, field=field)


def _lines(file: Iterable[str], path: Path) -> Iterator[tuple[str, Trial]]:
    for number, line in enumerate(file, 1):
        words, where = line.split(), f"{path}:{number}"
        if len(words) != len(REQUIRED):
            message = (
                f"{where}: lines must be `enrolment test target` or `target enrolment test`; a CSV must end in .csv"
            )
            raise InvalidRequestError(message, field="trials")
        # Of VoxCeleb's 1 and 0 in front no file is named so.
        if words[-1].lower() not in TARGET_WORDS and words[0].lower() in TARGET_WORDS:
            words = [*words[1:], words[0]]
        yield where, _trial(dict(zip(REQUIRED, words, strict=True)), [], where)


def _trial(row: dict[str, str], groups: list[str], where: str) -> Trial:
    for name in ("enrolment", "test"):
        if not row[name]:
            raise InvalidRequestError(f"{where}: {name} is empty", field=name)
    if row["target"].lower() not in TARGET_WORDS:
        message = f"{where}: target is {row['target']!r}, must be one of {', '.join(TARGET_WORDS)}"
        raise InvalidRequestError(message, field="target")
    return Trial(
        enrolment=row["enrolment"],
        test=row["test"],
        target=TARGET_WORDS[row["target"].lower()],
        enrolment_speaker=row.get("enrolment_speaker", ""),
        test_speaker=row.get("test_speaker", ""),
        groups={name: row[name] for name in groups},
    )
