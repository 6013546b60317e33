"""Which trials tell about whom: nobody lost, and each way of pairing by its definition."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from tests.training.fairness.scored_people import halves, llrs_of, trials_of
from training.evaluate import Identity, Settings, judge
from training.fairness.countries import Minimum
from training.fairness.groups import UNKNOWN, Pairs, People, by_column, by_people, read_people

TRIALS = trials_of(6, clips=2)


def colours() -> tuple[list[str], list[str]]:
    known = halves(6).columns["colour"]
    return [known[TRIALS.units[side]] for side in TRIALS.enrolment], [known[TRIALS.units[side]] for side in TRIALS.test]


@pytest.mark.parametrize("pairs", Pairs)
def test_a_trial_is_of_a_group_by_the_definition_of_its_pairs(pairs: Pairs) -> None:
    grouping = by_people("colour", halves(6), TRIALS, pairs=pairs)
    for label, one, other, target in zip(grouping.labels, *colours(), TRIALS.target, strict=True):
        expected = {Pairs.WITHIN: one == other, Pairs.CROSS: target or one != other, Pairs.ENROLMENT: True}[pairs]
        assert (grouping.groups[label] == one) if expected else label == -1
    assert grouping.n_left_out == np.sum(grouping.labels == -1)


def test_a_stranger_of_unknown_group_is_of_no_other() -> None:
    people = People(columns={"sex": {"0": "male", "1": "male", "2": "female"}})
    grouping = by_people("sex", people, TRIALS, pairs=Pairs.CROSS)
    enrolled, tried = (np.array(TRIALS.units)[side] for side in (TRIALS.enrolment, TRIALS.test))
    of_another = np.isin(enrolled, ["0", "1"]) & (tried == "2")
    np.testing.assert_array_equal(grouping.labels >= 0, TRIALS.target | of_another)


def test_what_says_that_nothing_is_known_is_one_group_of_the_list_and_not_compared() -> None:
    said = np.array(["blue", "", UNKNOWN, "unknown", "N/A"])[np.arange(len(TRIALS)) % 5]
    grouping = by_column("colour", said, TRIALS)
    assert grouping.groups == (UNKNOWN, "blue")
    np.testing.assert_array_equal(grouping.labels == 1, said == "blue")
    trials = replace(TRIALS, groups={"colour": said})
    report = judge(trials, llrs_of(trials, seed=1), Identity(name="x", calibrated=True), settings=Settings(replicas=2))
    assert report.as_json()["gaps"]["colour"]["not_compared"][UNKNOWN] == "unknown"


def test_people_of_a_group_are_counted_once() -> None:
    assert by_people("colour", halves(6), TRIALS).n_speakers == (3, 3)


def test_people_are_counted_for_each_kind_of_trial() -> None:
    one = np.array(TRIALS.units)[TRIALS.enrolment] == "0"
    trials = TRIALS.select(one | ~TRIALS.target)
    counts = by_people("colour", halves(6), trials).speakers[0]
    assert (counts.target, counts.nontarget, counts.both) == (1, 3, 3)
    assert (counts.behind("fnmr"), counts.behind("fmr"), counts.behind("eer")) == (1, 3, 1)


def test_crossed_attributes_make_a_group_of_each_combination_and_what_is_not_known_is_said() -> None:
    sex = {"0": "female", "1": "male", "2": "female", "3": "male", "4": "male"}
    people = People(columns={**halves(6).columns, "sex": sex})
    grouping = by_people("sex+colour", people, TRIALS, pairs=Pairs.ENROLMENT)
    assert grouping.groups == (UNKNOWN, "female + blue", "male + blue", "male + green")


def test_a_group_for_everybody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.fairness.groups.MAX_GROUPS", 5)
    people = People(columns={**halves(6).columns, "name": {name: name for name in "012345"}})
    assert by_people("colour", people, TRIALS).groups == ("blue", "green")
    with pytest.raises(InvalidRequestError, match="--by name makes 6 groups, more than 5: name what many people share"):
        by_people("name", people, TRIALS)


def test_small_countries_are_pooled_and_told_by_name() -> None:
    country = dict(zip("012345", ["Jamaica", "Barbados", "Jamaica", "France", "France", "France"], strict=True))
    grouping = by_people("country", People(columns={"country": country}), TRIALS, minimum=Minimum(people=3))
    assert grouping.groups == ("Caribbean (pooled)", "France")
    assert grouping.members == {"Caribbean (pooled)": {"Jamaica": 2, "Barbados": 1}}


def test_a_manifest_is_a_table_of_people_without_the_columns_that_vary(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,speaker,sex\na.wav,x,male\nb.wav,x,male\nc.wav,y,female\n")
    people = read_people(tmp_path / "m.csv")
    assert people.columns == {"sex": {"x": "male", "y": "female"}}
    with pytest.raises(InvalidRequestError, match="several"):
        people.known("path")
    with pytest.raises(InvalidRequestError, match="there are sex"):
        people.known("age")


@pytest.mark.parametrize("blank", ["", "unknown", "N/A"])
def test_a_blank_beside_a_value_is_no_second_value(blank: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"speaker,sex\ns1,{blank}\ns1,female\ns1,{blank}\ns2,male\ns3,{blank}\n")
    people = read_people(tmp_path / "p.csv")
    assert (people.columns, people.varying) == ({"sex": {"s1": "female", "s2": "male"}}, {})


def test_a_line_that_knows_no_speaker_takes_none_from_a_side_and_tells_of_nobody(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("side,speaker,sex\na.wav,s1,male\na.wav,,female\nb.wav,unknown,\n")
    people = read_people(tmp_path / "p.csv")
    assert (people.speaker_of, people.columns) == ({"a.wav": "s1"}, {"sex": {"s1": "male"}})


def test_a_side_of_two_speakers_is_refused_rather_than_the_last_taken(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("side,speaker,sex\na.wav,s1,male\na.wav,s2,male\n")
    with pytest.raises(InvalidRequestError, match=r"p.csv: a.wav is of speaker 's1' on one line and of 's2'"):
        read_people(tmp_path / "p.csv")
