"""The variants differ in just what they say, and share what is equal."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from tests.training.data.talkers import talkers
from tests.training.toy_transcriber_run import RECIPE
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.losses.arc_biases import LatencyPenalty
from training.studies.ablation_conversations import STUDIES
from training.studies.ablation_tables import COMPARED
from training.studies.ablation_variants import VARIANTS, runs_of
from training.transcriber_recipe import TranscriberRecipe, read_recipe

RECIPES = [read_recipe(study.recipe) for study in STUDIES.values()]
SAYS = {
    "tokens": {"turn_tokens"},
    "fastemit": {"fastemit"},
    "activity": {"activity"},
    "whole": {"start_of_turn", "end_of_turn"},
    "heat": {"arrangement"},
    "fixed": {"fixed_mixtures"},
}


def switches(content: dict[str, Any], name: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a recipe under its path."""
    for key, value in content.items():
        for number, part in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(part, dict):
                yield from switches(part, f"{name}/{key}{number}")
            else:
                yield f"{name}/{key}{number}", part


def differing(one: TranscriberRecipe, other: TranscriberRecipe) -> set[str]:
    values = dict(switches(asdict(one))), dict(switches(asdict(other)))
    return {path for path, value in values[0].items() if value != values[1][path]}


@pytest.mark.parametrize("whole", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize(("after", "before"), COMPARED.items())
def test_a_variant_differs_in_what_it_says_and_nothing_else(whole: TranscriberRecipe, before: str, after: str) -> None:
    paths = differing(VARIANTS[before].recipe_of(whole, 0), VARIANTS[after].recipe_of(whole, 0))
    assert paths
    assert all(any(said in path for said in SAYS[after]) for path in paths)


@pytest.mark.parametrize("whole", RECIPES, ids=lambda recipe: recipe.name)
def test_no_start_knows_the_losses_that_are_studied(whole: TranscriberRecipe) -> None:
    for run in runs_of(whole, [*VARIANTS.values()], [0]):
        for stage in run.recipe.stages if run.variant in (None, "words") else ():
            terms = stage.losses.transducer_terms
            assert terms.start_of_turn == terms.end_of_turn == LatencyPenalty()
            assert stage.losses.activity == 0
            assert terms.fastemit == 0 or stage.losses.transducer == 0


@pytest.mark.parametrize("whole", [RECIPE, *RECIPES], ids=lambda recipe: recipe.name)
def test_equal_starts_are_trained_once_and_before_what_needs_them(whole: TranscriberRecipe) -> None:
    runs = runs_of(whole, [*VARIANTS.values()], [0, 1])
    names = [run.name for run in runs]
    assert len(set(names)) == len(names) == 2 * (7 + 2 + 3)
    assert all(names.index(start) < number for number, run in enumerate(runs) for start in run.starts)
    assert {run.recipe.seed for run in runs} == {0, 1}


def test_a_run_is_named_anew_when_what_it_starts_from_changes() -> None:
    first, *rest = RECIPE.stages
    changed = TranscriberRecipe(
        name=RECIPE.name,
        model=RECIPE.model,
        optimiser=RECIPE.optimiser,
        stages=(type(first)(name=first.name, trains=first.trains, steps=first.steps + 1), *rest),
    )
    before, after = (runs_of(recipe, [VARIANTS["whole"]], [0])[-1] for recipe in (RECIPE, changed))
    assert before.recipe == after.recipe
    assert before.name != after.name


def test_the_arrangement_changes_channels_and_not_what_is_heard() -> None:
    for seed in range(20):
        drawn = [
            MixtureSimulator(talkers(), MixtureConfig(room_share=0, arrangement=how)).draw(seed)
            for how in ("overlap", "heat")
        ]
        heard = [[(turn.speaker, turn.words, turn.gain_db) for turn in recipe.turns] for recipe in drawn]
        assert heard[0] == heard[1]
        assert drawn[0].degradation == drawn[1].degradation
