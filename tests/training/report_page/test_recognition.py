"""What the page on recognition says of cohorts, in words, bars and numbers."""

import json

import pytest

from svc.errors import InvalidRequestError
from tests.training.fairness.cohorts.toy_discovery import cohorts_report, of_two_cohorts, one_man_in_forty, women_alone
from tests.training.report_page.parsed_page import Element, PageParser
from training.report_page.findings import Outcome
from training.report_page.recognition import finding_of, render_recognition


def page(*, repaired: bool = False) -> PageParser:
    return PageParser(render_recognition(cohorts_report(repaired=repaired)))


def words(element: Element) -> str:
    return " ".join(element.text.split())


def test_a_planted_cohort_is_named_first_and_last_where_none_is_shown() -> None:
    lead = next(each for each in page().all("p") if each.attributes.get("class") == "lead")
    assert "By country, Lagos is misheard more than" in lead.text
    content = cohorts_report()
    for ranking in content["rankings"]:
        ranking["held_out"]["chance"]["p"] = 0.4
    (lead,) = [
        each for each in PageParser(render_recognition(content)).all("p") if each.attributes.get("class") == "lead"
    ]
    assert lead.text.startswith("No gap is shown by embedding-4, country or region-tree")


@pytest.mark.parametrize(
    ("gap", "p", "outcome"),
    [
        (0.5, 0.01, Outcome.SHOWN),
        (0.5, 0.2, Outcome.NOT_SHOWN),
        (-0.1, 0.01, Outcome.NOT_SHOWN),
        (None, 0.01, Outcome.SHOWN),
        (None, 0.2, Outcome.NOT_SHOWN),
    ],
)
def test_a_gap_is_shown_only_where_it_stands_on_other_people(gap: float | None, p: float, outcome: Outcome) -> None:
    ranking = cohorts_report()["rankings"][1]
    ranking["held_out"]["gap"] = gap
    ranking["held_out"]["chance"]["p"] = p
    assert finding_of(ranking).outcome is outcome


def test_a_gap_without_bound_leads_the_page_and_is_called_so() -> None:
    content = json.loads(json.dumps(of_two_cohorts(women_alone).as_json(), allow_nan=False))
    text = words(PageParser(render_recognition(content)).all("body")[0])
    assert "By sex, women is misheard more than men" in text
    assert "That is more without bound: of men nothing was misheard." in text
    assert "Settled on half of the speakers, the gap has no bound on the others; were all alike" in text
    assert "worst over best, how much moreno bound" in text


def test_an_interval_with_one_bound_is_told() -> None:
    content = json.loads(json.dumps(of_two_cohorts(one_man_in_forty).as_json(), allow_nan=False))
    low, high = content["rankings"][0]["spread"]["gap"]["ci95"]
    assert (low > 1, high) == (True, None)
    text = words(PageParser(render_recognition(content)).all("body")[0])
    assert text.count(f"{100 * low:.1f} to no bound") == 2


def test_where_nothing_can_be_compared_nothing_is_told() -> None:
    content = cohorts_report()
    for ranking in content["rankings"]:
        ranking |= {"spread": None, "chance": None, "held_out": None}
    text = words(PageParser(render_recognition(content)).all("main")[0])
    assert text.count(Outcome.UNTOLD) == len(content["rankings"])


def test_every_cohort_has_a_bar_a_size_and_an_interval() -> None:
    content, made = cohorts_report(), page()
    cohorts = [cohort for ranking in content["rankings"] for cohort in ranking["cohorts"]]
    assert len([each for each in made.all("path") if each.attributes["class"].startswith("bar")]) == len(cohorts)
    rows = [words(row) for row in made.all("tr")]
    for cohort in cohorts:
        numbers = f"{cohort['n_speakers']}{cohort['n_words']:,}{100 * cohort['wer']['value']:.1f} %"
        assert any(row.startswith(cohort["name"]) and numbers in row for row in rows)


def test_small_cohorts_are_pale_and_said_to_be_so() -> None:
    made = page()
    assert "bar pale" in {each.attributes["class"] for each in made.all("path")}
    assert any("small not compared: too few speakers" in words(each) for each in made.all("th"))


def test_two_systems_are_drawn_before_and_after_with_mean_worst_and_variance() -> None:
    content, made = cohorts_report(repaired=True), page(repaired=True)
    assert "From toy (hollow) to mended (full)" in words(made.all("main")[0])
    rows = [words(row) for row in made.all("tr")]
    for ranking in content["rankings"]:
        changes = ranking["changes"]
        assert any(row.startswith(f"worst before ({changes['worst']} on all speakers") for row in rows)
        for name, scale, decimals in (("mean", 100, 1), ("variance", 1e4, 2)):
            before, after = (f"{scale * changes[name][when]['value']:.{decimals}f}" for when in ("before", "after"))
            change = f"\N{MINUS SIGN}{-100 * changes[f'of_{name}']['value']:.1f} %"
            told = [row for row in rows if row.startswith(f"{name} over cohorts{before}")]
            assert any(after in row and change in row and row.index(after) < row.index(change) for row in told)
    assert "before and after" not in words(page().all("main")[0])


@pytest.mark.parametrize("content", [{}, {"form": 2, "rankings": []}, {"form": 1}])
def test_another_report_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match="no report on cohorts of form 1"):
        render_recognition(content)


@pytest.mark.parametrize("missing", ["system", "wer", "seed", "n_words"])
def test_a_report_that_is_not_whole_is_refused(missing: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"not a whole report: .*; have the command that wrote it"):
        render_recognition({name: value for name, value in cohorts_report().items() if name != missing})
