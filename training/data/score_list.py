"""Scores that any system gave to trials: a CSV, or lines of `enrolment test score target`, read in bulk.

The CSV has columns enrolment, test, target and score; optional llr (natural logarithm), enrolment_speaker and
test_speaker; any further column is a group. Lines with blanks between have no header; target is target / nontarget, 1 /
0. Ten million trials read in well under a minute. Letters: S sides, T trials.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from svc.errors import InvalidRequestError
from training.data.trial_list import REQUIRED, SPEAKERS, TARGET_WORDS, IndexArray, TrialList
from training.metrics.verification import Array

SCORES = ("score", "llr")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoreList:
    """Trials, (T,) what the system said of each, and whether that are natural-log LLRs."""

    trials: TrialList
    scores: Array
    calibrated: bool


def read_scores(path: Path) -> ScoreList:
    """`llr` wins over `score` where a file has both. Raises InvalidRequestError naming the column or line at fault."""
    if not path.is_file():
        raise InvalidRequestError(f"no scores at {path}", field="scores")
    try:
        table = _table(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path}: {error}", field="scores") from error
    columns = list(table.columns)
    if missing := [name for name in REQUIRED if name not in columns]:
        raise InvalidRequestError(f"{path}: no column {', '.join(missing)}; has {', '.join(columns)}", field="scores")
    chosen = next((name for name in reversed(SCORES) if name in columns), None)
    if chosen is None:
        raise InvalidRequestError(f"{path}: no column {' or '.join(SCORES)}", field="scores")
    return ScoreList(
        trials=_trials(table, path), scores=_numbers(table[chosen], path, chosen), calibrated=chosen == "llr"
    )


def same_trials(scores: ScoreList, trials: TrialList) -> Array:
    """(T,) its scores in the order of `trials`. Raises InvalidRequestError unless it scores each of them once."""
    number = {side: index for index, side in enumerate(trials.sides)}
    known = np.array([number.get(side, -1) for side in scores.trials.sides], dtype=np.int64)
    width = len(trials.sides)
    theirs = known[scores.trials.enrolment] * width + known[scores.trials.test]
    ours = trials.enrolment * width + trials.test
    order, place = np.argsort(theirs, kind="stable"), np.argsort(ours, kind="stable")
    if len(theirs) != len(ours) or (known < 0).any() or not np.array_equal(theirs[order], ours[place]):
        raise InvalidRequestError("the two systems were not scored on the same trials", field="against")
    aligned = np.empty(len(ours))
    aligned[place] = scores.scores[order]
    return aligned


def with_speakers(trials: TrialList, speaker_of: dict[str, str]) -> TrialList:
    """The same trials with people for units. Raises InvalidRequestError for a side whose speaker is not told."""
    if missing := [side for side in trials.sides if not speaker_of.get(side)]:
        raise InvalidRequestError(f"nobody is known to speak in {missing[0]}", field="trials")
    return replace(trials, units=tuple(speaker_of[side] for side in trials.sides), has_speakers=True)


def _table(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".csv":
        # Numbers are parsed with the column's own message, and a side named "NA" is a side.
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    names = ("enrolment", "test", "score", "target")
    table = pd.read_csv(path, sep=r"\s+", header=None, dtype=str, keep_default_na=False)
    if table.shape[1] != len(names):
        raise InvalidRequestError(f"{path}: lines must be {' '.join(names)}; a CSV must end in .csv", field="scores")
    return table.set_axis(list(names), axis=1)


def _trials(table: pd.DataFrame, path: Path) -> TrialList:
    numbers, names = pd.factorize(pd.concat([table["enrolment"], table["test"]], ignore_index=True))
    enrolment, test = numbers.reshape(2, -1).astype(np.int64)
    firsts = np.unique(numbers, return_index=True)[1] % max(len(table), 1)
    target = _targets(table["target"], path)
    sides = tuple(map(str, names))
    units, has_speakers = _units(table, (enrolment, test), target, sides, path)
    groups = [name for name in table.columns if name not in (*REQUIRED, *SPEAKERS, *SCORES)]
    return TrialList(
        sides=sides,
        named_at=tuple(f"{path}:{line + 2}" for line in firsts.tolist()),
        units=units,
        enrolment=enrolment,
        test=test,
        target=target,
        groups={name: table[name].to_numpy(dtype=str) for name in groups},
        has_speakers=has_speakers,
    )


def _targets(words: "pd.Series[str]", path: Path) -> npt.NDArray[np.bool_]:
    codes, seen = pd.factorize(words)
    known = [TARGET_WORDS.get(str(word).strip().lower()) for word in seen]
    if None in known:
        line = int(np.argmax(codes == known.index(None))) + 2
        raise InvalidRequestError(
            f"{path}:{line}: target is {seen[known.index(None)]!r}, must be one of {', '.join(TARGET_WORDS)}",
            field="target",
        )
    return np.asarray(np.array(known, dtype=bool)[codes])


def _units(
    table: pd.DataFrame,
    places: tuple[IndexArray, IndexArray],
    target: npt.NDArray[np.bool_],
    sides: tuple[str, ...],
    path: Path,
) -> tuple[tuple[str, ...], bool]:
    """(S,) the speaker of each side, or the side itself where no speakers are told."""
    told = [name in table.columns for name in SPEAKERS]
    if not any(told):
        return sides, False
    if not all(told):
        raise InvalidRequestError(f"{path}:1: give both of {', '.join(SPEAKERS)}, or neither", field="scores")
    codes, names = pd.factorize(pd.concat([table[name] for name in SPEAKERS], ignore_index=True))
    of_side = np.zeros(len(sides), dtype=np.int64)
    of_side[np.concatenate(places)] = codes
    contradicted = of_side[np.concatenate(places)] != codes
    first, second = codes.reshape(2, -1)
    contradicted[: len(target)] |= (first == second) != target
    if contradicted.any():
        line = int(np.argmax(contradicted)) % len(target) + 2
        raise InvalidRequestError(f"{path}:{line}: speakers contradict target, or a line above", field="target")
    return tuple(str(names[code]) or side for code, side in zip(of_side.tolist(), sides, strict=True)), True


def _numbers(column: "pd.Series[str]", path: Path, name: str) -> Array:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(numbers).any():
        line = int(np.argmax(np.isnan(numbers)))
        raise InvalidRequestError(f"{path}:{line + 2}: {name} is {column.iloc[line]!r}, not a number", field=name)
    return np.asarray(numbers)
