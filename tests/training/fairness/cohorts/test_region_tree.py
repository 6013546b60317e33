"""The tree over longitude and latitude, and the table of countries."""

import json
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fairness.cohorts.heard_people import heard, names, places, worse_quarter
from training.fairness.cohorts.region_tree import TABLE, Region, Regions, RegionTreeFinder, country_place
from training.fairness.cohorts.speaker_errors import Mask, sizes
from training.fairness.countries import place_of

POINTS = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=40)


@given(POINTS, st.integers(1, 12), st.integers(0, 5))
def test_no_leaf_is_under_the_minimum_and_everybody_is_in_one(
    points: list[tuple[int, int]], least: int, seed: int
) -> None:
    who = names(len(points))
    errors = heard(lambda _: 0.3, people=len(points), seed=seed, utterances=1).by_speaker()
    rule = RegionTreeFinder(place_of=dict(zip(who, points, strict=True))).learn(errors, least_speakers=least)
    people = sizes(rule.labels(who), len(rule.names))
    assert people.sum() == len(points)
    assert len(people) == 1 or people.min() >= least
    assert len({*rule.names}) == len(rule.names)


def test_regions_a_step_apart_have_names_of_their_own() -> None:
    edges = (-np.inf, 12.5001, 12.5002, 12.5003, 12.5004, np.inf)
    strips = tuple(Region(low=(low, -np.inf), high=(high, np.inf)) for low, high in pairwise(edges))
    names = Regions(place_of={}, regions=strips).names
    assert len({*names}) == len(strips)
    assert names[0] == "west of 12.5001°"
    assert Regions(place_of={}, regions=strips[:1]).names == ("west of 12.5°",)


def test_the_first_split_is_the_best_of_all_there_are() -> None:
    where, errors = places(), heard(worse_quarter).by_speaker()
    finder = RegionTreeFinder(place_of=where, max_leaves=2)
    labels = finder.learn(errors, least_speakers=10).labels(errors.speakers)
    wrong, words = errors.errors[:, 0], errors.words[:, 0]

    def apart(below: Mask) -> float:
        if min(below.sum(), (~below).sum()) < 10:
            return 0.0
        rates = (wrong[side].sum() / words[side].sum() for side in (below, ~below))
        return float(abs(next(rates) - next(rates)))

    points = np.array([where[speaker] for speaker in errors.speakers])
    best = max(apart(points[:, axis] < edge) for axis in (0, 1) for edge in points[:, axis])
    assert apart(labels == 0) == best > 0


def test_a_planted_region_is_found_and_named() -> None:
    errors = heard(worse_quarter).by_speaker()
    rule = RegionTreeFinder(place_of=places(), max_leaves=3).learn(errors, least_speakers=10)
    labels = rule.labels(errors.speakers)
    worst = int(np.argmax(errors.rates(labels, 3)))
    assert all(number % 4 == 0 for number in np.flatnonzero(labels == worst))
    assert "east of" in rule.names[worst]
    assert "north of" in rule.names[worst]


def test_somebody_from_nowhere_is_of_no_region() -> None:
    errors = heard(worse_quarter).by_speaker()
    where = {name: place for name, place in places().items() if name != "p000"}
    rule = RegionTreeFinder(place_of=where).learn(errors, least_speakers=10)
    assert rule.labels(["p000", "p001"]).tolist()[0] == -1


def test_every_country_of_the_table_is_of_m49_and_lies_on_earth() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))["places"]
    assert all((place := place_of(country)) and place.country == country for country in table)
    assert all(-180 <= longitude <= 180 and -90 <= latitude <= 90 for longitude, latitude in table.values())


def test_countries_lie_where_they_do() -> None:
    usa, england, kenya = map(country_place, ("america", "England", "kenya"))
    assert usa is not None
    assert england is not None
    assert kenya is not None
    assert usa[0] < england[0] < kenya[0]
    assert kenya[1] < usa[1] < england[1]
    assert country_place("atlantis") is None
