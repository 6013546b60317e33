"""The arms of the fairness study: every method there is, each differing from its baseline in just what it says."""

from dataclasses import replace
from typing import get_args

import pytest

from tests.training.toy_embedder_run import RECIPE
from training.fairness.methods import Method
from training.fairness.reweighting import Form
from training.studies.study_arms import ARMS, FIRST, arm_runs


def test_every_method_is_an_arm() -> None:
    methods = {name for part in get_args(Method) for name in (get_args(part) or (part,))}
    assert {arm.method for arm in ARMS.values()} == methods | set(get_args(Form))


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_is_its_baseline_but_for_the_method_and_what_the_adversary_is_told(name: str) -> None:
    arm = ARMS[name]
    base, mine = (each.recipe_of(RECIPE, 3) for each in (ARMS[arm.against], arm))
    assert replace(mine, name=base.name, fairness=base.fairness) == base
    assert mine.fairness.method == arm.method
    assert (mine.fairness.reweighting.regions.feature == "none") is not arm.regions


def test_baselines_are_uniform() -> None:
    assert {ARMS[arm.against].method for arm in ARMS.values()} == {"uniform"}
    assert all(ARMS[arm.against].pairs == arm.pairs for arm in ARMS.values())


def test_what_the_paper_compares_is_run_first_with_all_seeds() -> None:
    runs = arm_runs(RECIPE, list(ARMS.values()), [0, 1])
    assert [(run.arm, run.seed) for run in runs[:4]] == [(arm, seed) for seed in (0, 1) for arm in FIRST]
    assert len(runs) == 2 * len(ARMS)
