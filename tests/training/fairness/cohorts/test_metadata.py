"""Cohorts by what is known of people."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from training.data.manifest import Clip
from training.fairness.cohorts.metadata import OTHER, age_band, known_people, metadata_finder, nativeness, region_finder
from training.fairness.cohorts.region_tree import Degrees, country_place
from training.fairness.groups import read_people


def clip(speaker: str, **known: object) -> Clip:
    nothing = dict.fromkeys(("session", "sex", "country", "language", "channel", "text"), "")
    fixed = {"path": speaker, "corpus": "c", "split": "test", "sample_rate_hz": 16_000, "duration_s": 1.0, "age": None}
    return Clip(**{**nothing, **fixed, "speaker": speaker, **known})  # type: ignore[arg-type]


CLIPS = [
    *(clip(f"us{n}", country="usa", language="english", sex="female", age=20.0 + 10 * n) for n in range(4)),
    clip("fr0", country="france", language="french", sex="male"),
    clip("be0", country="belgium", language="french"),
    clip("jp0", country="japan", language="japanese", sex="male", age=70.0),
    clip("fr0", sex="male", age=30.0),
]
PEOPLE = known_people(CLIPS)
SPEAKERS = sorted({one.speaker for one in CLIPS})


def groups(name: str) -> dict[str, str]:
    return {**metadata_finder(name, PEOPLE, SPEAKERS, least_speakers=2).group_of}


@pytest.mark.parametrize(
    ("age", "band"),
    [(None, ""), (24.9, "under 25"), (25, "25 to 39"), (59, "40 to 59"), (60, "60 and over"), (91, "60 and over")],
)
def test_ages_are_banded(age: float | None, band: str) -> None:
    assert age_band(age) == band


def test_small_countries_are_pooled_into_regions_and_small_languages_into_others() -> None:
    assert groups("country")["fr0"] == groups("country")["be0"] == "Western Europe (pooled)"
    assert groups("country")["us0"] == "USA"
    assert groups("language")["jp0"] == OTHER
    assert groups("language")["fr0"] == "french"


def test_whose_first_language_is_english_is_native() -> None:
    assert {who: groups("native")[who] for who in ("us0", "fr0", "jp0")} == {
        "us0": "native",
        "fr0": "non-native",
        "jp0": "non-native",
    }
    assert nativeness("non-english") == "non-native"
    assert nativeness("") == ""


def test_what_is_unknown_is_of_no_cohort() -> None:
    finder = metadata_finder("sex+age", PEOPLE, SPEAKERS, least_speakers=1)
    assert finder.labels(["be0"]).tolist() == [-1]
    assert finder.names[finder.labels(["fr0"])[0]] == "male + 25 to 39"


def test_an_unknown_column_is_told() -> None:
    with pytest.raises(InvalidRequestError, match="nothing is known of 'shoe'"):
        groups("shoe")


def test_regions_take_people_to_the_middle_of_their_country() -> None:
    assert region_finder(PEOPLE, max_leaves=2).place_of["jp0"] == country_place("Japan")


def placed(tmp_path: Path, *rows: str) -> Mapping[str, Degrees]:
    table = tmp_path / "places.csv"
    table.write_text("\n".join(("speaker,longitude,latitude", *rows)))
    return region_finder(PEOPLE, max_leaves=2, finer=read_people(table)).place_of


def test_regions_take_people_to_where_they_are_said_to_be(tmp_path: Path) -> None:
    found = placed(tmp_path, "us0,-122.3,47.6", "new,180,-90", "us1,,")
    assert (found["us0"], found["new"]) == ((-122.3, 47.6), (180.0, -90.0))
    assert found["us1"] == country_place("USA")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("us0,-180.1,0", "longitude of us0 must be from -180 to 180, got '-180.1'"),
        ("us0,0,91", "latitude of us0 must be from -90 to 90, got '91'"),
        ("us0,0,north", "latitude of us0 must be"),
        ("us0,12,", "us0 has one of longitude and latitude alone"),
    ],
)
def test_places_that_are_none_are_refused(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        placed(tmp_path, row, "us1,1,1")
