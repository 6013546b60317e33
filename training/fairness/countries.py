"""Countries with too few people, pooled into the regions of the UN's M49 (m49.json), step by step and never dropped."""

import json
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unicodedata import combining, normalize

TABLE = Path(__file__).with_name("m49.json")


class Place(NamedTuple):
    """Where a country lies, by its name in the table; sub-region before region."""

    country: str
    subregion: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """From how many people on a group stands alone; `each_sex`: of every sex that so many are of anywhere."""

    people: int = 10
    each_sex: int = 5


def place_of(country: str) -> Place | None:
    """By everyday name or M49's own, whatever its case and accents; None = not in the table."""
    return _places().get(_key(country))


def pooled(
    country_of: Mapping[str, str], sex_of: Mapping[str, str] | None = None, minimum: Minimum = Minimum()
) -> dict[str, str]:
    """Person -> country (empty = unknown) to person -> group: the country where enough people are of it, else its
    sub-region or region with what else is too small there, named "Caribbean (pooled)".

    A country that is not in the table stays as it is; what is still too small stays, for the caller to mark.
    """
    places = {person: place_of(country) for person, country in country_of.items()}
    groups = {person: place.country if (place := places[person]) else country_of[person] for person in country_of}
    sexes = {person: sex for person, sex in (sex_of or {}).items() if sex}
    # A value that few have, anywhere, such as a slip of the pen, would pool every country away.
    usual = {sex for sex, people in Counter(sexes.values()).items() if people >= minimum.each_sex}
    for level in ("subregion", "region"):
        small = {group for group in set(groups.values()) if not _enough(group, groups, sexes, usual, minimum)}
        for person, group in groups.items():
            place = places[person]
            if group in small and place:
                groups[person] = f"{getattr(place, level)} (pooled)"
    return groups


def _enough(
    group: str, groups: Mapping[str, str], sex_of: Mapping[str, str], usual: Set[str], minimum: Minimum
) -> bool:
    people = [person for person, its in groups.items() if its == group]
    sexes = Counter(sex_of.get(person, "") for person in people)
    return len(people) >= minimum.people and all(sexes[sex] >= minimum.each_sex for sex in usual)


@cache
def _places() -> dict[str, Place]:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    places = {
        _key(country): Place(country, subregion, region)
        for region, subregions in table["regions"].items()
        for subregion, countries in subregions.items()
        for country in countries
    }
    return places | {_key(alias): places[_key(country)] for alias, country in table["aliases"].items()}


def _key(name: str) -> str:
    """What names of one country have in common: "St. Lucia" is Saint Lucia, "The Bahamas" Bahamas."""
    plain = "".join(letter for letter in normalize("NFKD", name.casefold()) if not combining(letter))
    plain = plain.replace("&", " and ").replace("\u2019", "'")
    words = ["saint" if word in ("st", "st.") else word for word in plain.split()]
    return " ".join(words[1:] if words[:1] == ["the"] else words)
