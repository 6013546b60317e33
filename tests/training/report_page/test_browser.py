"""The page in a real browser: it lays out, prints, fits a phone, and runs nothing a group is named after."""

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.fairness.cohorts.toy_discovery import cohorts_report
from tests.training.report_page.browser import Browser, find_browser
from tests.training.report_page.toy_reports import HOSTILE, compared_report
from training.report_page.page import render_page
from training.report_page.recognition import render_recognition

pytestmark = pytest.mark.slow
POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
# Every element that sticks out to the right without a scrolling box of its own around it.
MEASURE = """<script>
addEventListener("load", () => {
  const root = document.documentElement, wide = root.clientWidth;
  const out = [...document.querySelectorAll("body *")].filter(each =>
    !each.closest(".scroll, .skip, svg") && each.getBoundingClientRect().right > wide + 1);
  root.setAttribute("data-measured", [wide, root.scrollWidth, ...out.map(each => each.tagName)].join(" "));
});
</script>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return find_browser(tmp_path_factory.mktemp("browser"))


PAGES: dict[str, Callable[[], str]] = {
    "Who toy serves worse": lambda: render_page(compared_report()),
    "Whom mended mishears more": lambda: render_recognition(cohorts_report(repaired=True)),
}


@pytest.fixture(scope="module", params=PAGES, ids=["verification", "recognition"])
def title(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def page(title: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(PAGES[title](), encoding="utf-8")
    return path


def test_it_lays_out_and_runs_nothing(browser: Browser, page: Path, title: str) -> None:
    document = browser.document(page)
    assert f"<title>{title}</title>" in document
    assert HOSTILE not in document
    assert document.count("<svg") == page.read_text().count("<svg")


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_at_the_side(browser: Browser, page: Path, width: int) -> None:
    measured = page.with_name(f"measured-{width}.html")
    text = POLICY.sub("", page.read_text(encoding="utf-8"))
    measured.write_text(text.replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    found = re.search(r'data-measured="([^"]*)"', browser.document(measured, width=width))
    assert found
    assert found[1] == f"{width} {width}"


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_is_drawn_and_not_empty(browser: Browser, page: Path, width: int) -> None:
    picture = browser.picture(page, width=width)
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (width, 2000)
    # An empty page is some 10 kB.
    assert len(picture) > 60_000


def test_the_page_prints_on_a_few_sheets(browser: Browser, page: Path) -> None:
    printed = browser.print_out(page)
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type /Page\b", printed)) <= 20
