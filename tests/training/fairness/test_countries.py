"""Pooling: nobody is lost, nothing large is touched, and names people use are understood."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from training.fairness.countries import TABLE, Minimum, place_of, pooled

NAMES = ("usa", "Jamaica", "Barbados", "kenya", "Zambia", "France", "fiji", "Atlantis", "")


@given(st.lists(st.sampled_from(NAMES), max_size=60))
def test_everybody_keeps_a_group_and_large_countries_keep_their_name(countries: list[str]) -> None:
    people = {str(number): country for number, country in enumerate(countries)}
    groups = pooled(people, minimum=Minimum(people=5))
    assert groups.keys() == people.keys()
    sizes = Counter(countries)
    for person, country in people.items():
        place = place_of(country)
        if place and sizes[country] >= 5:
            assert groups[person] == place.country
        if not place:
            assert groups[person] == country


def test_small_countries_become_a_subregion_and_small_subregions_a_region() -> None:
    people = dict(enumerate(["Jamaica"] * 2 + ["Barbados"] * 3 + ["Mexico"] * 2 + ["Chile"] * 3))
    groups = pooled({str(person): country for person, country in people.items()}, minimum=Minimum(people=5))
    assert Counter(groups.values()) == {"Caribbean (pooled)": 5, "Americas (pooled)": 5}


def test_a_country_of_one_sex_alone_does_not_stand_alone() -> None:
    country = {str(person): "India" if person < 10 else "Nepal" for person in range(20)}
    sex = {str(person): "male" if person < 10 else ("male", "female")[person % 2] for person in range(20)}
    groups = pooled(country, sex, Minimum(people=5, each_sex=5))
    assert Counter(groups.values()) == {"Asia (pooled)": 10, "Nepal": 10}


def test_a_sex_that_hardly_anybody_has_pools_no_country_away() -> None:
    country = {str(person): ("India", "Nepal")[person % 2] for person in range(40)}
    sex = {str(person): ("male", "female")[person // 2 % 2] for person in range(40)}
    groups = pooled(country, sex | {"0": "femle", "1": "M"}, Minimum(people=10, each_sex=5))
    assert Counter(groups.values()) == {"India": 20, "Nepal": 20}


def test_names_of_voxceleb_and_of_the_accent_archive_are_known() -> None:
    names = (
        "USA",
        "UK",
        "South Korea",
        "Trinidad and Tobago",
        "republic of georgia",
        "us virgin islands",
        "ivory coast",
    )
    assert [place.country for name in names if (place := place_of(name))] == [
        "USA", "UK", "South Korea", "Trinidad and Tobago", "Georgia", "US Virgin Islands", "Ivory Coast"
    ]  # fmt: skip


def test_spellings_of_one_country_are_one_country() -> None:
    spellings = {
        "USA": ("usa", "U.S.", "United States of America", "  American "),
        "UK": ("England", "United Kingdom of Great Britain and Northern Ireland", "gb"),
        "Ivory Coast": ("Côte d\u2019Ivoire", "Cote d'Ivoire"),
        "Saint Lucia": ("St. Lucia", "st lucia"),
        "Bahamas": ("The Bahamas",),
        "Turkey": ("Türkiye",),
        "Trinidad and Tobago": ("trinidad & tobago",),
        "Curaçao": ("curacao",),
    }
    for country, names in spellings.items():
        assert [place.country for name in names if (place := place_of(name))] == [country] * len(names)


def test_no_country_lies_in_two_places_and_every_alias_leads_to_one() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    countries = [name for subregions in table["regions"].values() for names in subregions.values() for name in names]
    assert len({place_of(name) for name in countries}) == len(countries)
    assert set(table["aliases"].values()) <= set(countries)
    assert not [alias for alias in table["aliases"] if alias in countries]
