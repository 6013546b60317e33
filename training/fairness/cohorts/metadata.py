"""Cohorts by what is known of people: country, first language, native or not, sex, age band, and any of these crossed.

Countries too small are pooled into regions of M49, as in audits; other values too small into "other (pooled)".
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from svc.errors import InvalidRequestError
from training.data.manifest import Clip
from training.fairness.cohorts.finders import LabelFinder
from training.fairness.cohorts.region_tree import Degrees, RegionTreeFinder, country_place
from training.fairness.countries import Minimum
from training.fairness.groups import COUNTRY, CROSSED_BY, SEX, UNKNOWN, People, attribute

AGE_BANDS = (25, 40, 60)
LANGUAGE, NATIVE, AGE = "language", "native", "age"
LONGITUDE, LATITUDE = "longitude", "latitude"
# What all recordings are in.
SPOKEN = "english"
OTHER = "other (pooled)"


def known_people(clips: Iterable[Clip]) -> People:
    """Of a manifest; what varies over somebody's clips is the first that is known."""
    columns: dict[str, dict[str, str]] = {name: {} for name in (COUNTRY, LANGUAGE, NATIVE, SEX, AGE)}
    for clip in clips:
        values = (clip.country, clip.language, nativeness(clip.language), clip.sex, age_band(clip.age))
        for column, value in zip(columns.values(), values, strict=True):
            column[clip.speaker] = column.get(clip.speaker) or value
    return People(columns=columns)


def nativeness(language: str) -> str:
    """Of a first language, in English recordings; empty for unknown."""
    if not language:
        return ""
    return "native" if language.strip().lower() == SPOKEN else "non-native"


def age_band(age: float | None) -> str:
    """ "under 25", "25 to 39", .., "60 and over"; empty for unknown."""
    if age is None:
        return ""
    if age < AGE_BANDS[0]:
        return f"under {AGE_BANDS[0]}"
    below = [edge for edge in AGE_BANDS if edge <= age]
    above = [edge for edge in AGE_BANDS if edge > age]
    return f"{below[-1]} to {above[0] - 1}" if above else f"{below[-1]} and over"


def metadata_finder(name: str, people: People, speakers: Sequence[str], *, least_speakers: int) -> LabelFinder:
    """A column, or several crossed as "sex+age". Pooled by how many of the `speakers` there are; anybody else of whom
    the same is known is of the same cohort.

    Raises InvalidRequestError listing the columns there are.
    """
    minimum = Minimum(people=least_speakers, each_sex=0)
    parts = [_groups(part, people, speakers, minimum) for part in name.split(CROSSED_BY)]
    everybody = sorted({*speakers, *parts[0]})
    crossed = {
        speaker: f" {CROSSED_BY} ".join(values) if all(values := [part.get(speaker, "") for part in parts]) else UNKNOWN
        for speaker in everybody
    }
    return LabelFinder(kind=name, group_of=crossed)


def region_finder(people: People, *, max_leaves: int, finer: People | None = None) -> RegionTreeFinder:
    """Of everybody whose place is known: as `finer` has it, else by a country that is in the table."""
    places = {speaker: country_place(country) for speaker, country in people.known(COUNTRY).items()}
    found: dict[str, Degrees] = {speaker: place for speaker, place in places.items() if place}
    return RegionTreeFinder(place_of=found | (places_of(finer) if finer else {}), max_leaves=max_leaves)


def places_of(people: People) -> dict[str, Degrees]:
    """Of everybody with a longitude and a latitude.

    Raises InvalidRequestError for one without the other, and for what is no degrees.
    """
    longitudes, latitudes = people.known(LONGITUDE), people.known(LATITUDE)
    if halves := sorted(longitudes.keys() ^ latitudes.keys()):
        message = f"{halves[0]} has one of {LONGITUDE} and {LATITUDE} alone: give both or neither"
        raise InvalidRequestError(message, field="places")
    return {
        speaker: (
            _degrees(longitudes[speaker], f"{LONGITUDE} of {speaker}", most=180.0),
            _degrees(latitudes[speaker], f"{LATITUDE} of {speaker}", most=90.0),
        )
        for speaker in longitudes
    }


def _degrees(said: str, what: str, *, most: float) -> float:
    try:
        degrees = float(said)
    except ValueError:
        degrees = math.nan
    if not -most <= degrees <= most:
        raise InvalidRequestError(f"{what} must be from -{most:g} to {most:g}, got {said!r}", field="places")
    return degrees


def _groups(name: str, people: People, speakers: Sequence[str], minimum: Minimum) -> dict[str, str]:
    """Of everybody, by what became of their value among the speakers."""
    known = people.known(name)
    values = (known.get(speaker, "") for speaker in speakers)
    group_of = dict(zip(values, _pooled(name, people, speakers, minimum), strict=True))
    return {speaker: group_of.get(value, "") for speaker, value in known.items()}


def _pooled(name: str, people: People, speakers: Sequence[str], minimum: Minimum) -> list[str]:
    values = attribute(name, people, speakers, minimum)
    if name == COUNTRY:
        return [values[speaker] for speaker in speakers]
    many = Counter(values.values())
    return [
        values[speaker] if not values[speaker] or many[values[speaker]] >= minimum.people else OTHER
        for speaker in speakers
    ]
