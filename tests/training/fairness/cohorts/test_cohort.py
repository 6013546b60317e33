"""Cohorts on disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from training.fairness.cohorts.cohort import Cohort, Cohorts, cohorts_of, read_cohorts, write_cohorts


def told(cohorts: Cohorts) -> list[tuple[str, tuple[str, ...]]]:
    return [(cohort.name, cohort.speakers) for cohort in cohorts]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    centroids = np.eye(2, 3, dtype=np.float32)
    both = (Cohort(name="a", speakers=("x", "y")), Cohort(name="b", speakers=()))
    written = Cohorts(kind="embedding", cohorts=both, centroids=centroids)
    write_cohorts(tmp_path / "deep" / "cohorts.json", written)
    read = read_cohorts(tmp_path / "deep" / "cohorts.json")
    assert (read.kind, told(read)) == ("embedding", told(written))
    np.testing.assert_array_equal(read.centroids, centroids)
    assert {file.name for file in (tmp_path / "deep").iterdir()} == {"cohorts.json", "cohorts.centroids.npz"}


def test_cohorts_without_centroids_leave_one_file(tmp_path: Path) -> None:
    write_cohorts(tmp_path / "cohorts.json", cohorts_of("sex", {"x": "male"}))
    assert [file.name for file in tmp_path.iterdir()] == ["cohorts.json"]
    assert read_cohorts(tmp_path / "cohorts.json").centroids is None


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
