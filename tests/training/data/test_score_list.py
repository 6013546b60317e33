"""Score files of any system: what they say is what is measured, and what is wrong is named by its line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from training.data.score_list import read_scores, read_scores_of, with_speakers
from training.data.trial_list import read_trials
from training.evaluate import check_both_kinds
from training.fairness.groups import read_people

ROWS = "enrolment,test,target,score,enrolment_speaker,test_speaker,sex\na1,a2,1,0.5,a,a,m\na1,b1,0,-0.25,a,b,m\n"


def written(folder: Path, text: str, name: str = "s.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_csv_is_read_as_it_stands(tmp_path: Path) -> None:
    listed = read_scores(written(tmp_path, ROWS))
    trials = listed.trials
    assert [
        (trials.sides[one], trials.sides[other]) for one, other in zip(trials.enrolment, trials.test, strict=True)
    ] == [
        ("a1", "a2"),
        ("a1", "b1"),
    ]
    assert trials.target.tolist() == [True, False]
    assert dict(zip(trials.sides, trials.units, strict=True)) == {"a1": "a", "a2": "a", "b1": "b"}
    assert listed.scores.tolist() == [0.5, -0.25]
    assert not listed.calibrated
    assert trials.groups["sex"].tolist() == ["m", "m"]


def test_a_column_of_llrs_wins_and_means_calibrated(tmp_path: Path) -> None:
    listed = read_scores(written(tmp_path, "enrolment,test,target,score,llr\na,b,1,0.5,2.5\n"))
    assert listed.calibrated
    assert listed.scores.tolist() == [2.5]
    assert not listed.trials.has_speakers


def test_a_score_that_stands_twice_is_refused_rather_than_the_first_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "enrolment,test,target,score,score\na,b,1,0.5,2.5\n")
    with pytest.raises(InvalidRequestError, match=r"s.csv:1: score stands more than once"):
        read_scores(path)


PADDED = (
    "enrolment , test,target,score,enrolment_speaker,test_speaker,sex ,\n"
    '"a1 ",a2 , 1 , 0.5 ,a ,a,"f ",\n'
    "a1,b1 ,0,-0.25\t,a, b,f,x\n"
)


def test_blanks_around_a_value_and_columns_without_a_name_are_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, PADDED)
    listed, scored = read_trials(path), read_scores(path)
    assert scored.scores.tolist() == [0.5, -0.25]
    for trials in (listed, scored.trials):
        assert dict(zip(trials.sides, trials.units, strict=True)) == {"a1": "a", "a2": "a", "b1": "b"}
        assert {name: values.tolist() for name, values in trials.groups.items()} == {"sex": ["f", "f"]}


def test_a_row_that_ends_early_is_refused_and_one_whose_last_value_is_empty_is_not(tmp_path: Path) -> None:
    whole = "enrolment,test,target,score,sex,\na,b,1,0.5,f\na,c,0,0.5,\n"
    assert read_scores(written(tmp_path, whole)).trials.groups["sex"].tolist() == ["f", ""]
    with pytest.raises(InvalidRequestError, match=r"s.csv:3: has 4 of 5 columns"):
        read_scores(written(tmp_path, whole.replace("0.5,\n", "0.5\n")))
    trials = read_scores(written(tmp_path, whole)).trials
    with pytest.raises(InvalidRequestError, match=r"1.txt:2: has fewer than the 4 words of other lines"):
        read_scores_of(trials, written(tmp_path, "a b 1 target\na c 2\n", "1.txt"))


def test_lines_with_blanks_between_are_read(tmp_path: Path) -> None:
    listed = read_scores(written(tmp_path, "a b 0.5 target\na c -1e-3 nontarget\n", "scores.txt"))
    assert listed.trials.target.tolist() == [True, False]
    assert listed.scores.tolist() == [0.5, -0.001]


@pytest.mark.parametrize("text", ["c b 30\na b 10\na c 20\n", "c b 30 target\na b 10 1\na c 20 nontarget\n"])
def test_scores_of_a_list_are_put_in_its_order(text: str, tmp_path: Path) -> None:
    trials = read_scores(written(tmp_path, "a b 1 target\na c 2 nontarget\nc b 3 target\n", "1.txt")).trials
    assert read_scores_of(trials, written(tmp_path, text, "2.txt")).scores.tolist() == [10, 20, 30]


def test_a_file_that_names_some_speakers_reads_as_the_list_does(tmp_path: Path) -> None:
    header, rows = "enrolment,test,target,score,enrolment_speaker,test_speaker", "a,b,1,1,x,x\nd,e,0,0,,\na,f,0,0,,y\n"
    path = written(tmp_path, f"{header}\n{rows}")
    listed, scored = read_trials(path), read_scores(path).trials
    assert (scored.has_speakers, scored.n_unnamed) == (False, 2)
    of_side = {"a": "x", "b": "x", "d": "d", "e": "e", "f": "y"}
    assert [dict(zip(each.sides, each.units, strict=True)) for each in (listed, scored)] == [of_side] * 2


def test_what_was_refused_is_no_group_and_nothing_where_nobody_says_so(tmp_path: Path) -> None:
    rows = "a,b,1,0,1\na,c,0,-1,0\nc,b,0,0,True\n"
    listed = read_scores(written(tmp_path, "enrolment,test,target,score,refused\n" + rows))
    assert listed.refused.tolist() == [True, False, True]
    assert not listed.trials.groups
    assert not read_scores(written(tmp_path, ROWS)).refused.any()
    again = written(tmp_path, "enrolment,test,score,refused\nc,b,0,0\na,c,-1,1\na,b,0,0\n", "2.csv")
    assert read_scores_of(listed.trials, again).refused.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("c b 30\na b 10\na d 20\n", "scores a d, which is not on the list"),
        ("c b 30\na b 10\nb a 20\n", "scores b a, which is not"),
        ("c b 30\na b 10\n", "no score of a c; 1 trials have none"),
        ("c b 30\na b 10\na b 11\na c 20\n", "more often"),
        ("c b 30 target\na b 10 nontarget\na c 20 nontarget\n", "calls other trials targets"),
        ("c b\n", "lines must be"),
    ],
)
def test_scores_of_other_trials_are_refused(text: str, named: str, tmp_path: Path) -> None:
    trials = read_scores(written(tmp_path, "a b 1 target\na c 2 nontarget\nc b 3 target\n", "1.txt")).trials
    with pytest.raises(InvalidRequestError, match=named) as error:
        read_scores_of(trials, written(tmp_path, text, "2.txt"), field="against")
    assert error.value.field == "against"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("enrolment,test,score\na,b,1\n", "no column target"),
        ("enrolment,test,target\na,b,1\n", "score or llr"),
        ("enrolment,test,target,score\na,b,1,1\na,c,maybe,1\n", "s.csv:3: target is 'maybe'"),
        ("enrolment,test,target,score\na,b,1,1\na,c,0,high\n", "s.csv:3: score is 'high'"),
        (ROWS + "a1,b2,1,0.5,a,b,m\n", "s.csv:4: speakers contradict"),
        (ROWS + "b1,a2,0,0.5,c,a,m\n", "contradict"),
        ("", "s.csv is empty"),
        ("enrolment;test;target;score\na;b;1;1\n", "separated by commas"),
        ("enrolment,test,score,target\na,b,1,1\na,c,0\n", "s.csv:3: has 3 of 4 columns"),
        ("enrolment,test,target,score\na,,1,1\n", "s.csv:2: test is empty"),
        ("enrolment,test,target,score,refused\na,b,1,1,0\na,c,0,0,no\n", "s.csv:3: refused is 'no', must be one of 1"),
        ("enrolment,test,target,score\na,b,1,1,9\na,c,0,0,9\n", "Expected 4 fields in line 2, saw 5"),
    ],
)
def test_mistakes_are_named_by_line(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        read_scores(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a b 1 target\na c high nontarget\n", "s.txt:2: score is 'high'"),
        ("a b 1 target\na c 0 maybe\n", "s.txt:2: target is 'maybe'"),
        ("a b 1 target\na c 0\n", "s.txt:2: has fewer than the 4 words"),
    ],
)
def test_lines_without_a_header_are_counted_from_the_first(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        read_scores(written(tmp_path, text, "s.txt"))


@pytest.mark.parametrize("read", [read_scores, read_trials, read_people])
def test_a_table_in_another_encoding_is_named(read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("speaker,enrolment,test,target,score\nÖ,Ö,b,1,1\n".encode("latin-1"))
    with pytest.raises(InvalidRequestError, match=r"t\.csv is not UTF-8: save it as UTF-8"):
        read(tmp_path / "t.csv")


def test_a_trial_that_stands_twice_is_counted(tmp_path: Path) -> None:
    lines = "a b 1 target\nb a 2 target\na c 0 nontarget\na b 1 target\n"
    trials = read_scores(written(tmp_path, lines, "1.txt")).trials
    assert (len(trials), trials.n_repeated) == (4, 2)


def test_pairs_that_cannot_be_are_found(tmp_path: Path) -> None:
    trials = read_scores(written(tmp_path, "a b 1 target\nc c 9 target\nb c 0 nontarget\n", "1.txt")).trials
    assert (trials.n_with_itself, trials.pair_of_both_kinds()) == (1, None)
    lines = "a b 1 target\nc d 2 target\nd c 0 nontarget\n"
    contradicting = read_scores(written(tmp_path, lines, "2.txt")).trials
    assert set(contradicting.pair_of_both_kinds() or ()) == {"c", "d"}
    with pytest.raises(InvalidRequestError, match="c d is on the list as a target and as a nontarget trial"):
        check_both_kinds(contradicting)


def test_people_can_be_told_from_elsewhere(tmp_path: Path) -> None:
    trials = read_scores(written(tmp_path, "a b 1 target\n", "1.txt")).trials
    assert with_speakers(trials, {"a": "x", "b": "x"}).units == ("x", "x")
    with pytest.raises(InvalidRequestError, match="speak in b"):
        with_speakers(trials, {"a": "x"})
    with pytest.raises(InvalidRequestError, match="a b is a target trial"):
        with_speakers(trials, {"a": "x", "b": "y"})


def test_columns_of_many_rows_keep_their_types(tmp_path: Path) -> None:
    rows = "".join(f"{number},{number + 1},{number % 2},{number / 7}\n" for number in range(500))
    listed = read_scores(written(tmp_path, "enrolment,test,target,score\n" + rows))
    np.testing.assert_allclose(listed.scores, np.arange(500) / 7)
