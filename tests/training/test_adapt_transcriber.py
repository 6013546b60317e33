"""The command: which cohort is repaired, and that what comes out is served."""

from pathlib import Path

import pytest

from svc.backends.transcriber_artifact import load_transcriber
from svc.errors import InvalidRequestError
from tests.training.toy_adaptation import toy_artifact, toy_trainer
from tests.training.toy_transcriber_run import toy_data
from training.adapt_transcriber import members_of, speakers_of, worst_on_dev
from training.adaptation_recipe import MethodConfig
from training.data.units import UnitEncoder
from training.export_transcriber import export
from training.fairness.cohorts.cohort import cohorts_of, write_cohorts

COHORT_OF = {"t0": "odd", "t1": "even", "t2": "even", "t3": "even", "t4": "small"}


@pytest.fixture
def cohorts(tmp_path: Path) -> Path:
    write_cohorts(tmp_path / "cohorts.json", cohorts_of("metadata", COHORT_OF))
    return tmp_path / "cohorts.json"


def test_a_cohort_is_found_by_its_name(cohorts: Path) -> None:
    assert speakers_of(members_of(cohorts), "odd") == {"t0"}


def test_without_a_name_it_is_the_worst_of_those_large_enough(cohorts: Path) -> None:
    assert worst_on_dev(members_of(cohorts), toy_artifact(), toy_data()) == "even"


def test_an_unknown_name_is_refused_with_those_there_are(cohorts: Path) -> None:
    with pytest.raises(InvalidRequestError, match="there are even, odd, small"):
        speakers_of(members_of(cohorts), "none")


def test_what_was_adapted_is_exported_and_loaded_again(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, MethodConfig())
    trainer.begin()
    trainer.run(None)
    assert isinstance(trainer.data.units, UnitEncoder)
    export(tmp_path, trainer.recipe, trainer.data.units, out=tmp_path / "artifact", commands=["adapt it"])
    loaded = load_transcriber(tmp_path / "artifact")
    assert loaded.units == toy_artifact().units
    assert loaded.card["commands"] == ["adapt it"]
