"""Scores that any system gave to trials: a CSV, or lines of `enrolment test score target`, read in bulk.

The CSV has columns enrolment, test, target and score; optional llr (natural logarithm), enrolment_speaker and
test_speaker, and refused, 1 for a trial that the system would not decide on (its score counts in measures over scores
alone); any further column is a group. Lines with blanks between have no header; target is target / nontarget, 1 / 0.
Beside a list of trials, which tells the targets, neither needs them: lines are then `enrolment test score`, as Kaldi
writes them. Ten million trials read in well under a minute. Letters: S sides, T trials.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from svc.errors import InvalidRequestError
from training.data.manifest import not_utf8
from training.data.trial_list import (
    REFUSED,
    REQUIRED,
    SCORES,
    SPEAKERS,
    TARGET_WORDS,
    IndexArray,
    TrialList,
    check_named_once,
)
from training.metrics.verification import Array, Mask

REFUSED_WORDS = {"1": True, "true": True, "0": False, "false": False}
PAIR = ("enrolment", "test")
LINE = (*PAIR, "score", "target")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoreList:
    """Trials, (T,) what the system said of each, whether that are natural-log LLRs, and (T,) what it refused."""

    trials: TrialList
    scores: Array
    calibrated: bool
    refused: Mask


def read_scores(path: Path) -> ScoreList:
    """`llr` wins over `score` where a file has both. Raises InvalidRequestError naming the column or line at fault."""
    table = _table(path, REQUIRED, "scores")
    scores, calibrated = _scores(table, path, "scores")
    return ScoreList(trials=_trials(table, path), scores=scores, calibrated=calibrated, refused=_refused(table, path))


def read_scores_of(trials: TrialList, path: Path, *, field: str = "scores") -> ScoreList:
    """What a file says of the trials of a list, in their order; speakers and groups are the list's.

    Raises InvalidRequestError unless it scores each of them, and no others, and calls targets what the list does.
    """
    table = _table(path, PAIR, field)
    scores, calibrated = _scores(table, path, field)
    order = _order(table, trials, path, field)
    if "target" in table and not np.array_equal(_targets(table["target"], path)[order], trials.target):
        raise InvalidRequestError(f"{path} calls other trials targets than the list does", field=field)
    return ScoreList(trials=trials, scores=scores[order], calibrated=calibrated, refused=_refused(table, path)[order])


def with_speakers(trials: TrialList, speaker_of: Mapping[str, str]) -> TrialList:
    """The same trials with people for units.

    Raises InvalidRequestError for a side whose speaker is not told, and where speakers contradict what is a target.
    """
    if missing := [side for side in trials.sides if not speaker_of.get(side)]:
        raise InvalidRequestError(f"nobody is known to speak in {missing[0]}", field="people")
    told = replace(trials, units=tuple(speaker_of[side] for side in trials.sides), has_speakers=True)
    units = told.unit_of_side
    wrong = np.flatnonzero((units[trials.enrolment] == units[trials.test]) != trials.target)
    if len(wrong):
        pair = " ".join(trials.sides[side[wrong[0]]] for side in (trials.enrolment, trials.test))
        kind = "target" if trials.target[wrong[0]] else "nontarget"
        raise InvalidRequestError(f"{pair} is a {kind} trial, and their speakers say otherwise", field="people")
    return told


def _table(path: Path, required: Sequence[str], field: str) -> pd.DataFrame:
    if not path.is_file():
        raise InvalidRequestError(f"no scores at {path}", field=field)
    try:
        table = _csv(path, field) if path.suffix.lower() == ".csv" else _lines(path, field)
    except pd.errors.EmptyDataError as error:
        raise InvalidRequestError(f"{path} is empty", field=field) from error
    except pd.errors.ParserError as error:
        raise InvalidRequestError(f"{path}: {str(error).strip()}", field=field) from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, field) from error
    if missing := [name for name in required if name not in table]:
        remedy = "; a list of trials could tell (--trials)" if missing == ["target"] else ""
        has = ", ".join(table.columns)
        remedy = "; columns of a CSV are separated by commas" if table.shape[1] == 1 else remedy
        raise InvalidRequestError(f"{path}: no column {', '.join(missing)}; has {has}{remedy}", field=field)
    _check_sides(table, path, field)
    return table


def _check_sides(table: pd.DataFrame, path: Path, field: str) -> None:
    for name in PAIR:
        if len(empty := table.index[table[name] == ""]):
            raise InvalidRequestError(f"{path}:{empty[0]}: {name} is empty", field=name)


def _csv(path: Path, field: str) -> pd.DataFrame:
    with path.open(newline="", encoding="utf-8-sig") as file:
        width = len(next(filter(None, csv.reader(file)), []))
    # The header is read as a row, for pandas renames what stands twice. Numbers are parsed with the column's own
    # message, and a side named "NA" is a side.
    table = pd.read_csv(
        path,
        header=None,
        converters=dict.fromkeys(range(width), str.strip),
        keep_default_na=False,
        encoding="utf-8-sig",
        skipinitialspace=True,
    )
    names = table.iloc[0].tolist()
    check_named_once(names, path, field)
    table = table[1:].set_axis(names, axis=1).set_index(pd.RangeIndex(2, len(table) + 1))
    table = table.loc[:, [name != "" for name in names]]
    if (table.iloc[:, -1] == "").any():
        _check_widths(path, 1 + max(place for place, name in enumerate(names) if name), field)
    return table


def _check_widths(path: Path, least: int, field: str) -> None:
    """For pandas fills short rows. Raises InvalidRequestError for the first."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for row in filter(None, reader):
            if len(row) < least:
                raise InvalidRequestError(f"{path}:{reader.line_num}: has {len(row)} of {least} columns", field=field)


def _lines(path: Path, field: str) -> pd.DataFrame:
    table = pd.read_csv(path, sep=r"\s+", header=None, dtype=str, keep_default_na=False)
    if table.shape[1] not in (len(LINE) - 1, len(LINE)):
        message = f"{path}: lines must be `{' '.join(LINE)}`, target optional; a CSV must end in .csv"
        raise InvalidRequestError(message, field=field)
    if len(short := table.index[table.iloc[:, -1] == ""]):
        message = f"{path}:{short[0] + 1}: has fewer than the {table.shape[1]} words of other lines"
        raise InvalidRequestError(message, field=field)
    return table.set_axis(list(LINE[: table.shape[1]]), axis=1).set_index(pd.RangeIndex(1, len(table) + 1))


def _scores(table: pd.DataFrame, path: Path, field: str) -> tuple[Array, bool]:
    """(T,) and whether they are LLRs."""
    chosen = next((name for name in reversed(SCORES) if name in table), None)
    if chosen is None:
        raise InvalidRequestError(f"{path}: no column {' or '.join(SCORES)}", field=field)
    return _numbers(table[chosen], path, chosen), chosen == "llr"


def _order(table: pd.DataFrame, trials: TrialList, path: Path, field: str) -> IndexArray:
    """(T,) the row of the table that is each trial of the list."""
    sides, width = pd.Index(trials.sides), len(trials.sides)
    enrolment, test = (sides.get_indexer(table[name]) for name in PAIR)
    theirs, ours = enrolment * width + test, trials.enrolment * width + trials.test
    strange = np.flatnonzero((np.minimum(enrolment, test) < 0) | ~np.isin(theirs, ours))
    if len(strange):
        pair = " ".join(table.iloc[strange[0]][list(PAIR)])
        raise InvalidRequestError(f"{path} scores {pair}, which is not on the list of trials", field=field)
    if len(missing := np.flatnonzero(~np.isin(ours, theirs))):
        pair = " ".join(trials.sides[side[missing[0]]] for side in (trials.enrolment, trials.test))
        raise InvalidRequestError(f"{path} has no score of {pair}; {len(missing)} trials have none", field=field)
    rows, places = np.argsort(theirs, kind="stable"), np.argsort(ours, kind="stable")
    if not np.array_equal(theirs[rows], ours[places]):
        raise InvalidRequestError(f"{path} scores a trial more often than the list has it", field=field)
    order = np.empty(len(ours), np.int64)
    order[places] = rows
    return order


def _trials(table: pd.DataFrame, path: Path) -> TrialList:
    numbers, names = pd.factorize(pd.concat([table["enrolment"], table["test"]], ignore_index=True))
    enrolment, test = numbers.reshape(2, -1).astype(np.int64)
    firsts = np.unique(numbers, return_index=True)[1] % max(len(table), 1)
    target = _targets(table["target"], path)
    sides = tuple(map(str, names))
    units, has_speakers = _units(table, (enrolment, test), target, sides, path)
    groups = [name for name in table.columns if name not in (*REQUIRED, *SPEAKERS, *SCORES, REFUSED)]
    return TrialList(
        sides=sides,
        named_at=tuple(f"{path}:{line}" for line in table.index[firsts]),
        units=units,
        enrolment=enrolment,
        test=test,
        target=target,
        groups={name: table[name].to_numpy(dtype=str) for name in groups},
        has_speakers=has_speakers,
    )


def _targets(words: "pd.Series[str]", path: Path) -> Mask:
    return _flags(words, path, "target", TARGET_WORDS)


def _refused(table: pd.DataFrame, path: Path) -> Mask:
    if REFUSED not in table:
        return np.zeros(len(table), bool)
    return _flags(table[REFUSED], path, REFUSED, REFUSED_WORDS)


def _flags(words: "pd.Series[str]", path: Path, name: str, meaning: Mapping[str, bool]) -> Mask:
    codes, seen = pd.factorize(words)
    known = [meaning.get(str(word).lower()) for word in seen]
    if None in known:
        line = words.index[int(np.argmax(codes == known.index(None)))]
        raise InvalidRequestError(
            f"{path}:{line}: {name} is {seen[known.index(None)]!r}, must be one of {', '.join(meaning)}", field=name
        )
    return np.asarray(np.array(known, dtype=bool)[codes])


def _units(
    table: pd.DataFrame,
    places: tuple[IndexArray, IndexArray],
    target: Mask,
    sides: tuple[str, ...],
    path: Path,
) -> tuple[tuple[str, ...], bool]:
    """(S,) the speaker of each side, or the side itself where none is told, and whether all are."""
    told = [name in table.columns for name in SPEAKERS]
    if not any(told):
        return sides, False
    if not all(told):
        raise InvalidRequestError(f"{path}:1: give both of {', '.join(SPEAKERS)}, or neither", field="scores")
    codes, names = pd.factorize(pd.concat([table[name] for name in SPEAKERS], ignore_index=True))
    named, place = np.array(names, dtype=str)[codes] != "", np.concatenate(places)
    of_side = np.full(len(sides), -1)
    of_side[place[named]] = codes[named]
    contradicted = named & (of_side[place] != codes)
    first, second = codes.reshape(2, -1)
    contradicted[: len(target)] |= named.reshape(2, -1).all(axis=0) & ((first == second) != target)
    if contradicted.any():
        line = table.index[int(np.argmax(contradicted)) % len(target)]
        raise InvalidRequestError(f"{path}:{line}: speakers contradict target, or a line above", field="target")
    units = (side if code < 0 else str(names[code]) for code, side in zip(of_side.tolist(), sides, strict=True))
    return tuple(units), bool((of_side >= 0).all())


def _numbers(column: "pd.Series[str]", path: Path, name: str) -> Array:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(numbers).any():
        row = int(np.argmax(np.isnan(numbers)))
        message = f"{path}:{column.index[row]}: {name} is {column.iloc[row]!r}, not a number"
        raise InvalidRequestError(message, field=name)
    return np.asarray(numbers)
