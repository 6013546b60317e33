"""What a calibration's card says: whose data, which command, what scores are normalised against, and its figures."""

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from svc.config import EquivoxConfig
from svc.scoring.calibration import KIND, SCORE, CalibrationWeights
from svc.scoring.conditions import FEATURES
from svc.scoring.normalisation import MIN_TALKERS
from training.calibration_figures import CalibrationFigures

OWN_LICENCE = "as the data of your trials"
SHIPPED_LICENCE = (
    "research only: fitted on non-commercial data; weights, the mean voice under given conditions, and mean voices of "
    "groups of people, no audio and no voice of a person in them"
)
SHIPPED_DATA = (
    "train and dev talkers of saa (CC BY-NC-SA), libri (CC BY 4.0), wuw (CC BY-SA 4.0) and hyke (research), half of "
    "all sides degraded with noise of ESC-10 (CC BY 3.0), rooms and the telephone band; nontarget trials of one sex"
)


def card_of(
    chosen: argparse.Namespace, config: EquivoxConfig, fingerprint: str, weights: CalibrationWeights
) -> dict[str, Any]:
    """What the artifact says about itself; figures come on top."""
    return {
        "kind": KIND,
        "name": chosen.name or f"calibration-{Path(config.models.embedder).name.replace(':', '-')}",
        "model_fingerprint": fingerprint,
        "embedder": config.models.embedder,
        "score": SCORE,
        "features": list(FEATURES),
        "licence": OWN_LICENCE if chosen.trials else SHIPPED_LICENCE,
        "data": chosen.trials.name if chosen.trials else SHIPPED_DATA,
        "command": shlex.join(["python", "-m", "training.calibrate", *sys.argv[1:]]),
        "prior": 0.5,
        "cohort": cohort_text(weights),
    }


def cohort_text(weights: CalibrationWeights) -> str:
    """What scores are normalised against, and whose voices that holds."""
    if weights.cohort is None:
        return "none: scores are not normalised"
    number = len(weights.cohort.vectors)
    return f"{number} vectors, each the mean of {MIN_TALKERS} or more people like one another; nobody's own voice"


def figures_card(figures: Mapping[str, CalibrationFigures | None]) -> dict[str, Any]:
    """Figures as tables of the card; what could not be measured is left out."""
    return {name: asdict(each) for name, each in figures.items() if each is not None}
