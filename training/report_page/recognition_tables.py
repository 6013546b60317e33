"""The tables of the page on recognition: cohorts, what lies between them, domains, and kinds beside one another."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from training.figure_text import NO_BOUND
from training.metrics.bootstrap import Figure
from training.report_json import read_figure
from training.report_page.page_tables import Cell, PageTable
from training.report_page.reading import Json
from training.report_page.wording import NOTHING, count, interval, percent

# Rates are told as this measure is.
RATE = "eer"
SPREADS = {
    "gap": "worst over best, how much more",
    "speaker_share": "speakers in the worst",
    "word_share": "words in the worst",
    "mean": "mean over cohorts",
}


def domains_table(raw: Json) -> PageTable:
    """Plain rates by what was said."""
    return PageTable(
        caption="Word error rate by what was said",
        columns=("domain", "speakers", "words", "word error rate"),
        rows=tuple(
            (Cell(text=name), *_counts(domain), rate_cell(read_figure(domain["wer"])))
            for name, domain in raw["domains"].items()
        ),
    )


def cohorts_table(ranking: Json) -> PageTable:
    """Sizes and rates of every cohort, and of two systems what changed."""
    changed = ranking["changes"] is not None
    return PageTable(
        caption=f"Every cohort by {ranking['kind']}, its size and its word error rate with 95 % intervals",
        columns=("cohort", "speakers", "words", "word error rate", *(("before", "change") if changed else ())),
        rows=tuple(tuple(_cohort(cohort, changed=changed)) for cohort in ranking["cohorts"]),
    )


def spread_table(ranking: Json) -> PageTable | None:
    """None where fewer than two cohorts can be compared."""
    spread, chance, found = ranking["spread"], ranking["chance"], ranking["held_out"]
    if not spread:
        return None
    by_chance = {"gap": chance["p95"]} if chance else {}
    held = {"gap": _gap(found["gap"]), "speaker_share": percent(found["speaker_share"])} if found else {}
    rows = [
        (
            Cell(text=title),
            _spread(name, read_figure(spread[name])),
            Cell(text=percent(by_chance.get(name))),
            Cell(text=held.get(name, NOTHING)),
        )
        for name, title in SPREADS.items()
    ]
    variance = read_figure(spread["variance"])
    rows.append((Cell(text="variance over cohorts"), _squared(variance), Cell(text=NOTHING), Cell(text=NOTHING)))
    return PageTable(
        caption=f"Between the cohorts by {ranking['kind']}",
        columns=("measure", "value", "would show by chance", "held out"),
        rows=tuple(rows),
    )


def changes_table(ranking: Json) -> PageTable | None:
    """None where there is no earlier system."""
    changes = ranking["changes"]
    if not changes:
        return None
    worst = (
        f"worst before ({changes['worst']} on all speakers; chosen on half of them, its change measured on the others)"
    )
    before, after = _of_worst(ranking)
    return PageTable(
        caption=f"Between the cohorts by {ranking['kind']}, before and after",
        columns=("measure", "before", "after", "change"),
        rows=(
            (Cell(text=worst), before, after, rate_cell(read_figure(changes["of_worst"]))),
            _change_row("mean over cohorts", changes, "mean", rate_cell),
            _change_row("variance over cohorts", changes, "variance", _squared),
        ),
    )


def _of_worst(ranking: Json) -> tuple[Cell, Cell]:
    """Of the cohort that was worst before, on all speakers."""
    (worst,) = (cohort for cohort in ranking["cohorts"] if cohort["name"] == ranking["changes"]["worst"])
    return rate_cell(read_figure(worst["before"])), rate_cell(read_figure(worst["wer"]))


def _change_row(title: str, changes: Json, name: str, shown: Callable[[Figure], Cell]) -> tuple[Cell, ...]:
    before, after = (shown(read_figure(changes[name][when])) for when in ("before", "after"))
    return Cell(text=title), before, after, rate_cell(read_figure(changes[f"of_{name}"]))


def comparisons_table(raw: Json) -> PageTable | None:
    """None where no two kinds can be compared."""
    if not raw["comparisons"]:
        return None
    return PageTable(
        caption="The first way of grouping minus the second, with paired 95 % intervals",
        columns=("ways", "gap", "gap is larger in so many draws", "share of speakers in the worst"),
        rows=tuple(
            (
                Cell(text=f"{each['kind']} minus {each['against']}"),
                rate_cell(read_figure(each["gap"])),
                Cell(text=percent(each["larger_gap_share"])),
                rate_cell(read_figure(each["speaker_share"])),
            )
            for each in raw["comparisons"]
        ),
    )


def rate_cell(figure: Figure) -> Cell:
    """A fraction in percent, its interval beside it."""
    return Cell(text=percent(figure.value), small=interval(RATE, figure))


def _cohort(cohort: Json, *, changed: bool) -> Iterator[Cell]:
    yield Cell(text=cohort["name"], small="not compared: too few speakers" if cohort["too_small"] else "")
    yield from _counts(cohort)
    for name in ("wer", "before", "change") if changed else ("wer",):
        yield rate_cell(read_figure(cohort[name]))


def _spread(name: str, figure: Figure) -> Cell:
    cell = rate_cell(figure)
    return replace(cell, text=_gap(figure.value)) if name == "gap" else cell


def _gap(gap: float | None) -> str:
    """Between two cohorts that were measured: no number where the better one made no errors."""
    return NO_BOUND if gap is None else percent(gap)


def _counts(content: Json) -> Iterator[Cell]:
    yield Cell(text=count(content["n_speakers"]))
    yield Cell(text=count(content["n_words"]))


def _squared(figure: Figure) -> Cell:
    """In squared points: a variance of percents."""
    text, *edges = (
        NOTHING if value is None else f"{1e4 * value:.2f}" for value in (figure.value, *(figure.ci95 or ()))
    )
    return Cell(text=text, small=" to ".join(edges))
