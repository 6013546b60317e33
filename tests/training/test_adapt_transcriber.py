"""The command: which cohort is repaired, and that what comes out is served."""

from pathlib import Path

from svc.backends.transcriber_artifact import load_transcriber
from tests.training.toy_adaptation import COHORTS, toy_artifact, toy_trainer
from tests.training.toy_transcriber_run import toy_data
from training.adapt_transcriber import worst_on_dev
from training.adaptation_recipe import MethodConfig
from training.data.units import UnitEncoder
from training.export_transcriber import export
from training.fairness.cohorts.cohort import cohorts_of

COHORT_OF = {"t0": "odd", "t1": "even", "t2": "even", "t3": "even", "t4": "small"}


def test_the_worst_cohort_is_one_of_those_large_enough() -> None:
    assert worst_on_dev(cohorts_of("metadata", COHORT_OF), toy_artifact(), toy_data()) == "even"


def test_what_was_adapted_is_exported_and_loaded_again(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, MethodConfig(everybody_share=1.0, cohort_vector=True))
    trainer.begin()
    trainer.run(None)
    assert isinstance(trainer.data.units, UnitEncoder)
    export(
        tmp_path,
        trainer.recipe,
        trainer.data.units,
        digest=trainer.digest,
        out=tmp_path / "artifact",
        commands=["adapt it"],
        origin={"data": "tones"},
    )
    loaded = load_transcriber(tmp_path / "artifact")
    assert loaded.units == toy_artifact().units
    assert (loaded.card["commands"], loaded.card["data"]) == (["adapt it"], "tones")
    assert loaded.model.config.cohort_width == len(COHORTS)
