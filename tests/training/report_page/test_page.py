"""The page: nothing from outside, nothing unescaped, and all of it there for who does not see the charts."""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from tests.training.fairness.cohorts.toy_discovery import cohorts_report
from tests.training.report_page.parsed_page import PageParser
from tests.training.report_page.toy_reports import HOSTILE, compared_report, report, report_with_city
from training.report_page.page import render_page
from training.report_page.recognition import render_recognition

PAGES: dict[str, Callable[[], str]] = {
    "planted gap": lambda: render_page(report()),
    "scores without calibration": lambda: render_page(report(calibrated=False)),
    "two systems": lambda: render_page(compared_report()),
    "recognition": lambda: render_recognition(cohorts_report()),
    "two recognisers": lambda: render_recognition(cohorts_report(repaired=True)),
}


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest) -> PageParser:
    return PageParser(PAGES[request.param]())


def test_every_element_is_closed(page: PageParser) -> None:
    assert page.left_open == []


def test_nothing_is_fetched_and_nothing_runs(page: PageParser) -> None:
    assert not page.all("script", "link", "img", "iframe", "object", "base", "form", "use", "image")
    links = [value for each in page.elements for name, value in each.attributes.items() if name in ("href", "src")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [name for each in page.elements for name in each.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import", page.all("style")[0].text)
    policy = next(each for each in page.all("meta") if "http-equiv" in each.attributes)
    assert policy.attributes["content"].startswith("default-src 'none'")


def test_a_group_may_be_called_anything(page: PageParser) -> None:
    assert HOSTILE in page.all("main")[0].text
    assert HOSTILE in {" ".join(each.text.split()) for each in page.all("b", "th", "li")}


@cache
def plain_page() -> PageParser:
    return PageParser(render_page(report_with_city("plain")))


@settings(max_examples=10)
@given(st.text(min_size=1, max_size=40).filter(lambda name: name.strip() == name and name.isprintable()))
def test_no_name_of_a_group_adds_an_element_or_an_attribute(name: str) -> None:
    odd = PageParser(render_page(report_with_city(name)))
    for one, other in zip(plain_page().elements, odd.elements, strict=True):
        assert (one.name, one.attributes.keys()) == (other.name, other.attributes.keys())
    assert name in odd.all("main")[0].text


def test_ids_are_unique_and_every_reference_leads_somewhere(page: PageParser) -> None:
    ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    told = [each.attributes.get("aria-labelledby", "").split() for each in page.elements]
    anchors = [each.attributes["href"].removeprefix("#") for each in page.all("a")]
    assert {name for names in told for name in names} | set(anchors) <= set(ids)


def test_every_chart_says_what_it_shows(page: PageParser) -> None:
    charts = [each for each in page.all("svg") if each.attributes.get("role") == "img"]
    assert len(charts) >= 3
    for chart in charts:
        title, description = chart.children[:2]
        assert (title.name, description.name) == ("title", "desc")
        assert title.text
        assert description.text
    for other in (each for each in page.all("svg") if each not in charts):
        assert other.attributes["aria-hidden"] == "true"


def test_tables_have_captions_and_headers_and_scroll_by_themselves(page: PageParser) -> None:
    for table in page.all("table"):
        assert table.children[0].name == "caption"
        assert table.parents[-1] == "div"
    assert all(each.attributes["scope"] in ("col", "row") for each in page.all("th"))
    scrolled = [each for each in page.all("div") if each.attributes.get("class") == "scroll"]
    assert all(each.attributes["tabindex"] == "0" and each.attributes["aria-label"] for each in scrolled)


def test_headings_go_down_a_level_at_a_time(page: PageParser) -> None:
    levels = [int(each.name[1]) for each in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_language_and_the_way_past_the_head_are_told(page: PageParser) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert page.all("a")[0].attributes == {"class": "skip", "href": "#findings"}
    assert len(page.all("main")) == 1


def test_curves_are_there_in_numbers_too() -> None:
    page = PageParser(render_page(report()))
    captions = " ".join(each.text for each in page.all("caption"))
    for words in ("Wrong rejections by colour if", "Scores by colour", "Calibration by colour", "Every group of city"):
        assert words in captions


def test_older_intervals_of_the_calibration_error_are_left_out() -> None:
    content = report()
    content["overall"]["calibration_error"]["ci95"] = [0.123, 0.456]
    measures = content["gaps"]["colour"]["measures"]
    measures["calibration_error"] = measures["cllr"] | {"std": {"value": 0.1, "ci95": [0.123, 0.456], "by_chance": 0.2}}
    assert "0.123 to 0.456" not in PageParser(render_page(content)).all("main")[0].text


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ("within", "Strangers are tried with people of their own group"),
        ("cross", "Strangers are tried with people of a group they are not of"),
        ("enrolment", "Strangers are of any group"),
        ("as listed", "Strangers are whoever the list of trials says"),
    ],
)
def test_each_way_of_grouping_says_who_the_strangers_are(pairs: str, told: str) -> None:
    content = report()
    content["gaps"]["city"]["pairs"] = pairs
    notes = [each for each in PageParser(render_page(content)).all("p") if told in each.text]
    assert len(notes) == (2 if pairs == "within" else 1)


def test_small_groups_are_listed_and_said_to_be_so() -> None:
    row = next(each for each in PageParser(render_page(report())).all("th") if each.text.strip().startswith("Vaduz"))
    assert "not compared: too few speakers or trials" in row.text


def test_the_inputs_are_named() -> None:
    content, text = report(), PageParser(render_page(report())).all("main")[0].text
    for told in (content["inputs_sha256"], content["fingerprint"], content["calibration_id"]):
        assert told in text


def test_refused_trials_are_told_and_why_where_it_is_known() -> None:
    page = render_page(report() | {"n_trials_refused": 65})
    assert "65 trials were refused: no threshold accepts them" in page
    heard = render_page(report() | {"n_trials_refused": 65, "sides_without_speech": ["a.wav"]})
    assert "65 trials were refused, because 1 recordings hold too little speech: no" in heard
    assert "were refused" not in render_page(report())


def test_a_report_of_another_form_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="form 1"):
        render_page(report() | {"form": 1})


@pytest.mark.parametrize("missing", ["gaps", "system", "threshold", "seed", "n_sides"])
def test_a_report_that_is_not_whole_is_refused(missing: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"not a whole report: .*; have the command that wrote it"):
        render_page({name: value for name, value in report().items() if name != missing})


def test_a_report_without_groups_or_draws_is_still_a_page() -> None:
    content = report() | {"by_group": {}, "gaps": {}}
    assert "Nobody was grouped" in render_page(content)
