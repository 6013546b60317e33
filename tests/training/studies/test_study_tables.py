"""Changes between methods: paired over people and seeds, and never claimed of too little."""

from dataclasses import replace

import numpy as np
import pytest

from training.fairness.groups import COUNTRY, SEX
from training.metrics.bootstrap import Figure
from training.metrics.score_bins import MEASURES
from training.metrics.verification import Array
from training.studies.study_figures import (
    EER,
    EVERYBODY,
    FNMR_BY_SEX,
    GAP,
    GARBE_BY_SEX,
    MALE,
    STD,
    WOMEN_OVER_MEN,
    Column,
    GroupFigures,
    ListFigures,
    RunFigures,
)
from training.studies.study_sides import READ
from training.studies.study_tables import CLAIMS, change, change_text, markdown, mean_of

GROUPS = {EVERYBODY: (EVERYBODY,), SEX: ("female", "male"), COUNTRY: ("Asia", "Europe")}
NUM_ROWS = 41


def groups_of(groups: tuple[str, ...], rows: Array) -> GroupFigures:
    counts = (20,) * len(groups)
    return GroupFigures(
        groups=groups,
        compared=(True,) * len(groups),
        n_speakers=counts,
        n_target=counts,
        n_nontarget=counts,
        rows=rows,
    )


def run_of(seed: int, *, scale: float = 1.0) -> RunFigures:
    """All measures between 0.1 and 0.2 with the same people drawn; times `scale`."""
    random = np.random.default_rng(seed)
    groupings = {
        name: groups_of(groups, scale * random.uniform(0.1, 0.2, (NUM_ROWS, len(groups), len(MEASURES))))
        for name, groups in GROUPS.items()
    }
    return RunFigures(steps=1, lists={READ: ListFigures(groupings=groupings)})


def runs_of(*seeds: int, scale: float = 1.0) -> dict[int, RunFigures]:
    return {seed: run_of(seed, scale=scale) for seed in seeds}


@pytest.mark.parametrize("column", [EER, GAP, FNMR_BY_SEX, GARBE_BY_SEX], ids=lambda column: column.title)
def test_nothing_changes_against_itself(column: Column) -> None:
    found = change(runs_of(0, 1, 2), runs_of(0, 1, 2), READ, column)
    assert (found.value, found.ci95) == (0.0, (0.0, 0.0))
    assert not found.excludes_zero


def test_a_halved_error_is_found_whoever_is_drawn() -> None:
    found = change(runs_of(0, 1), runs_of(0, 1, scale=0.5), READ, EER)
    assert found.ci95 == pytest.approx((-0.5, -0.5))
    assert found.excludes_zero
    assert change_text(EER, found) == "**-50 % [-50, -50]**"


def test_of_a_gap_that_no_draw_moves_off_zero_no_change_is_told() -> None:
    nothing = Figure(0.0, (0.0, 0.0))
    assert change_text(FNMR_BY_SEX, nothing) == "-"
    assert change_text(FNMR_BY_SEX, Figure(0.0, (-0.01, 0.01))) == "+0.0 [-1.0, +1.0]"


def test_nothing_falls_by_more_than_all_there_was_however_far_apart_the_seeds() -> None:
    apart = {0: run_of(0), 1: run_of(1, scale=0.05), 2: run_of(2, scale=4.0)}
    for column in (EER, GAP, STD):
        found, mean = change(runs_of(0, 1, 2), apart, READ, column), mean_of(apart, READ, column)
        assert found.ci95 is not None
        assert -1 < found.ci95[0] < 0 < found.ci95[1]
        assert mean.ci95 is not None
        assert mean.ci95[0] == 0
        assert mean.ci95[1] <= 1


def test_a_difference_with_its_sign_may_be_below_zero() -> None:
    apart = {0: run_of(0), 1: run_of(1, scale=0.05), 2: run_of(2, scale=4.0)}
    ends = mean_of(apart, READ, WOMEN_OVER_MEN).ci95
    assert ends is not None
    assert -1 <= ends[0] < 0


def test_only_seeds_that_both_have_are_compared() -> None:
    assert change(runs_of(0), runs_of(0, 1, 2), READ, EER).value == 0
    assert change(runs_of(0), runs_of(1), READ, EER).value is None


def test_a_mean_is_that_of_the_seeds() -> None:
    runs = runs_of(0, 1, 2)
    by_seed = [EER.statistic(run.lists[READ])[0] for run in runs.values()]
    assert mean_of(runs, READ, EER).value == pytest.approx(np.mean(by_seed))


def test_groups_too_small_have_no_gap() -> None:
    run = run_of(0)
    small = replace(run.lists[READ].groupings[SEX], compared=(True, False))
    alone = RunFigures(steps=1, lists={READ: ListFigures(groupings={SEX: small})})
    assert np.isnan(GAP.statistic(alone.lists[READ])).all()
    assert not np.isnan(MALE.statistic(alone.lists[READ])).any()
    assert change({0: alone}, {0: alone}, READ, GAP).value is None


def test_gap_is_the_difference_of_the_sexes() -> None:
    of = run_of(3).lists[READ].groupings[SEX].rows[..., MEASURES.index("eer")]
    np.testing.assert_allclose(GAP.statistic(run_of(3).lists[READ]), np.abs(of[:, 0] - of[:, 1]))
    np.testing.assert_allclose(WOMEN_OVER_MEN.statistic(run_of(3).lists[READ]), of[:, 0] - of[:, 1])


def test_every_claim_is_the_paper_s_number_of_the_column_it_is_about() -> None:
    told = {claim.column.title: (claim.claimed, claim.text) for claim in CLAIMS}
    assert told == {
        EER.title: (-0.077, "EER -7.7 %"),
        GAP.title: (-0.17, "gap of the sexes -17 %"),
        STD.title: (-0.095, "std over regions -9.5 %"),
    }
    rates = {EER.title: (1.17, 1.08), GAP.title: (0.70, 0.58), STD.title: (0.21, 0.19)}
    for title, (before, after) in rates.items():
        assert told[title][0] == pytest.approx(after / before - 1, abs=0.002)


def test_without_runs_the_table_says_so() -> None:
    assert markdown({}) == "no finished run yet"
