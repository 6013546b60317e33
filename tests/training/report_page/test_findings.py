"""Sentences about gaps, against gaps that were planted or are not there."""

import pytest

from tests.training.report_page.toy_reports import compared_report, report
from training.report_page.findings import Outcome, lead, verdicts
from training.report_page.page_changes import changes_of
from training.report_page.reading import read_report
from training.report_page.wording import often, percent


def test_a_planted_gap_is_told_with_who_how_much_and_how_sure() -> None:
    found = verdicts(read_report(report()))
    colour = next(verdict for verdict in found if verdict.column.name == "colour")
    rejections = colour.findings[0]
    assert rejections.shown
    assert (rejections.worse, rejections.better) == ("green", "blue")
    assert "leaves out zero" in rejections.sureness
    assert "of 100 audits" in rejections.sureness
    assert lead(found).startswith("By colour, green is served worse than blue:")


def test_where_no_gap_is_shown_the_least_one_that_would_be_is_told() -> None:
    content = report(harm=0.0)
    colour = verdicts(read_report(content))[0]
    assert colour.outcome is Outcome.NOT_SHOWN
    by_chance = content["gaps"]["colour"]["measures"]["fnmr"]["difference"]["by_chance"]
    assert f"up to {percent(by_chance, unit='')} points one time in twenty" in colour.findings[0].sureness
    assert "does not prove there is none" in lead((colour,))


def test_groups_too_few_to_compare_are_said_to_be_so() -> None:
    content = report()
    content["gaps"]["colour"] |= {"measures": {}, "not_compared": {"green": "unknown"}}
    finding = verdicts(read_report(content))[0].findings[0]
    assert finding.outcome is Outcome.UNTOLD
    assert finding.sureness.startswith("Nothing can be compared")
    assert "Nothing can be told by colour." in lead(verdicts(read_report(content)))


def test_without_draws_nothing_is_said_of_chance() -> None:
    content = report(harm=0.0)
    gap = content["gaps"]["colour"]["measures"]["fnmr"]
    gap["difference"] |= {"ci95": None, "by_chance": None}
    finding = verdicts(read_report(content))[0].findings[0]
    assert finding.outcome is Outcome.UNTOLD
    assert "No intervals were made" in finding.sureness


def test_where_nobody_errs_nothing_is_told_rather_than_that_groups_are_alike() -> None:
    content = report(harm=0.0)
    for group in content["by_group"]["colour"].values():
        group["fnmr"] = {"value": 0.0, "ci95": [0.0, 0.2]}
    content["gaps"]["colour"]["measures"]["fnmr"]["difference"] |= {"value": 0.0, "ci95": [-0.2, 0.2]}
    finding = verdicts(read_report(content))[0].findings[0]
    assert finding.outcome is Outcome.UNTOLD
    assert "may still differ by 20.0 points" in finding.sureness


def test_before_is_after_less_the_change() -> None:
    changes = changes_of(read_report(compared_report()))
    assert changes is not None
    planted = report()["by_group"]["colour"]["green"]["fnmr"]["value"]
    assert any(f"green from {percent(planted)}" in chart for chart in changes.charts)


def test_a_report_of_one_system_has_no_changes() -> None:
    assert changes_of(read_report(report())) is None


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, "—"), (0.0, "0 %"), (0.0042, "0.42 %"), (0.25, "25.0 %"), (-0.031, "\N{MINUS SIGN}3.1 %")],
)
def test_rates_are_told_in_percent(rate: float | None, text: str) -> None:
    assert percent(rate).replace("\N{NO-BREAK SPACE}", " ") == text


def test_chances_are_told_out_of_a_hundred() -> None:
    assert (often(0.004), often(0.031)) == ("fewer than 1 of 100", "about 3 of 100")
