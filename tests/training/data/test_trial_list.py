"""Trial lists: reading, writing, and every message with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from training.data.trial_list import Trial, TrialList, read_trials, write_trials

words = st.text("abcé ,\"'|#.0", min_size=1, max_size=8).map(str.strip).filter(bool)


def write(folder: Path, text: str) -> Path:
    path = folder / "trials.csv"
    path.write_text(text)
    return path


def rows_of(trials: TrialList) -> list[tuple[str, str, bool]]:
    sides = trials.sides
    edges = zip(trials.enrolment, trials.test, trials.target, strict=True)
    return [(sides[enrolment], sides[test], bool(target)) for enrolment, test, target in edges]


@given(rows=st.lists(st.tuples(words, words, st.booleans()), min_size=1, max_size=10))
def test_reading_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, bool]]
) -> None:
    path = tmp_path_factory.mktemp("lists") / "trials.csv"
    write_trials(path, [Trial(enrolment=one, test=other, target=target) for one, other, target in rows])
    assert rows_of(read_trials(path)) == rows


def test_each_side_is_named_once_with_its_first_line(tmp_path: Path) -> None:
    trials = read_trials(write(tmp_path, "enrolment,test,target\na,b,1\nb,c,0\na,c,0\n"))
    assert trials.sides == ("a", "b", "c")
    assert [where.rsplit(":", 1)[1] for where in trials.named_at] == ["2", "2", "3"]


def test_without_speakers_the_file_is_the_unit(tmp_path: Path) -> None:
    trials = read_trials(write(tmp_path, "enrolment,test,target\na,b,1\na,c,0\n"))
    assert trials.units == ("a", "b", "c")
    assert not trials.has_speakers


def test_speakers_are_units_and_other_columns_groups(tmp_path: Path) -> None:
    header = "enrolment,test,target,enrolment_speaker,test_speaker,sex"
    trials = read_trials(write(tmp_path, f"{header}\na,b,1,x,x,f\na,c,0,x,y,m\n"))
    assert trials.units == ("x", "x", "y")
    assert trials.unit_of_side.tolist() == [0, 0, 1]
    assert trials.groups["sex"].tolist() == ["f", "m"]


def test_a_list_that_names_some_speakers_has_files_for_people_and_says_in_how_many(tmp_path: Path) -> None:
    rows = "a,b,1,x,x\na,c,0,x,\nd,e,0,,\na,f,0,,y\n"
    header = "enrolment,test,target,enrolment_speaker,test_speaker"
    trials = read_trials(write(tmp_path, f"{header}\n{rows}"))
    assert trials.units == ("x", "x", "c", "d", "e", "y")
    assert (trials.has_speakers, trials.n_unnamed) == (False, 3)
    assert trials.table()["test_speaker"] == ["x", "", "", "y"]


def test_what_another_system_said_is_no_group(tmp_path: Path) -> None:
    trials = read_trials(write(tmp_path, "enrolment,test,target,score,llr,refused,sex\na,b,1,9,8,0,f\n"))
    assert trials.groups.keys() == {"sex"}


@pytest.mark.parametrize("text", ["a b target\na c nontarget\n", "1 a b\n0 a c\n", "a b 1\n a  c  0\n"])
def test_lines_with_blanks_between_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "trials").write_text(text)
    assert rows_of(read_trials(tmp_path / "trials")) == [("a", "b", True), ("a", "c", False)]


@pytest.mark.parametrize(("text", "named"), [("a b\n", "trials:1: lines must be"), ("a b c\n", "target is 'c'")])
def test_lines_that_are_no_trials_are_named(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "trials").write_text(text)
    with pytest.raises(InvalidRequestError, match=named):
        read_trials(tmp_path / "trials")


def test_a_csv_is_known_by_its_header_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "trials.txt").write_text("enrolment,test,target\na,b,1\n")
    assert rows_of(read_trials(tmp_path / "trials.txt")) == [("a", "b", True)]


SPEAKERS = "enrolment,test,target,enrolment_speaker,test_speaker\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("enrolment,test\na,b\n", ":1: no column target"),
        ("enrolment,test,target,test_speaker\na,b,1,x\n", ":1: give both"),
        ("enrolment,test,target,sex,sex\na,b,1,f,m\n", ":1: sex stands more than once"),
        ("enrolment,test,target\na,b,1\na,,0\n", ":3: test is empty"),
        ("enrolment,test,target\na,b,1\na,b,perhaps\n", ":3: target is 'perhaps'"),
        ("enrolment,test,target\na,b\n", ":2: 3 columns"),
        ("enrolment,test,target\na,b,1,2\n", ":2: 3 columns"),
        (f"{SPEAKERS}a,b,1,x,x\na,c,0,z,y\n", ":3: a is of speaker 'z' here and 'x' above"),
        (f"{SPEAKERS}a,b,1,x,y\n", ":2: a target trial of speakers 'x' and 'y'"),
        (f"{SPEAKERS}a,b,0,x,x\n", ":2: a nontarget trial of speakers 'x' and 'x'"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        read_trials(write(tmp_path, text))


def test_a_list_that_is_not_there_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no trial list"):
        read_trials(tmp_path / "absent.csv")
