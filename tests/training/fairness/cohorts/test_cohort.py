"""Cohorts on disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from training.fairness.cohorts.cohort import Cohort, Cohorts, cohorts_of, overlap_caution, read_cohorts, write_cohorts


def told(cohorts: Cohorts) -> list[tuple[str, tuple[str, ...]]]:
    return [(cohort.name, cohort.speakers) for cohort in cohorts]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    centroids = np.eye(2, 3, dtype=np.float32)
    both = (Cohort(name="a", speakers=("x", "y")), Cohort(name="b", speakers=()))
    written = Cohorts(kind="embedding", cohorts=both, centroids=centroids, drawn_by=("x",))
    write_cohorts(tmp_path / "deep" / "cohorts.json", written)
    read = read_cohorts(tmp_path / "deep" / "cohorts.json")
    assert (read.kind, told(read), read.drawn_by) == ("embedding", told(written), ("x",))
    np.testing.assert_array_equal(read.centroids, centroids)
    assert {file.name for file in (tmp_path / "deep").iterdir()} == {"cohorts.json", "cohorts.centroids.npz"}


def test_cohorts_without_centroids_leave_one_file(tmp_path: Path) -> None:
    write_cohorts(tmp_path / "cohorts.json", cohorts_of("sex", {"x": "male"}))
    assert [file.name for file in tmp_path.iterdir()] == ["cohorts.json"]
    assert read_cohorts(tmp_path / "cohorts.json").centroids is None


@pytest.mark.parametrize("drawn_by", [None, (), ("x",)])
def test_who_drew_them_nobody_and_not_known_are_three_things(tmp_path: Path, drawn_by: tuple[str, ...] | None) -> None:
    write_cohorts(tmp_path / "cohorts.json", cohorts_of("any", {"x": "a"}, drawn_by=drawn_by))
    assert read_cohorts(tmp_path / "cohorts.json").drawn_by == drawn_by


def test_a_file_from_before_that_was_kept_does_not_know_who_drew_them(tmp_path: Path) -> None:
    (tmp_path / "cohorts.json").write_text('{"kind": "a", "cohorts": [], "centroids": null}')
    old = read_cohorts(tmp_path / "cohorts.json")
    assert old.drawn_by is None
    assert "does not say whose errors" in overlap_caution(old, ["x"])


def test_cohorts_drawn_by_those_who_judge_them_need_caution_and_others_none() -> None:
    drawn = cohorts_of("region-tree", {"x": "a", "y": "b"}, drawn_by=("x", "y"))
    assert overlap_caution(drawn, ["x", "z", "u"]).startswith("Caution: 1 of 3 talkers judged drew these regions")
    assert overlap_caution(drawn, ["z", "u"]) == ""
    assert overlap_caution(cohorts_of("sex", {"x": "a"}, drawn_by=()), ["x"]) == ""


@given(st.dictionaries(st.text(max_size=3), st.sampled_from("abc")))
def test_everybody_is_in_the_cohort_named(cohort_of: dict[str, str]) -> None:
    made = cohorts_of("any", cohort_of)
    assert {speaker: made.cohorts[number].name for speaker, number in made.number_of.items()} == cohort_of


def test_nobody_is_in_two_cohorts() -> None:
    with pytest.raises(ValueError, match="share a name or a speaker"):
        Cohorts(kind="any", cohorts=(Cohort(name="a", speakers=("x",)), Cohort(name="b", speakers=("x",))))


def test_every_cohort_needs_a_centroid() -> None:
    with pytest.raises(ValueError, match="a centroid for each of 1"):
        Cohorts(kind="any", cohorts=(Cohort(name="a", speakers=()),), centroids=np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "a", "cohorts": [{}], "centroids": null}', '{"kind": "a"}'])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cohorts.json").write_text(content)
    with pytest.raises(InvalidRequestError, match=r"cohorts\.json: no cohorts"):
        read_cohorts(tmp_path / "cohorts.json")


def test_missing_centroids_are_told(tmp_path: Path) -> None:
    (tmp_path / "cohorts.json").write_text('{"kind": "a", "cohorts": [], "centroids": "gone.npz"}')
    with pytest.raises(InvalidRequestError, match=r"gone\.npz"):
        read_cohorts(tmp_path / "cohorts.json")
