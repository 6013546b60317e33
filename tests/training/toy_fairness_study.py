"""A fairness study that is over in seconds: toy talkers to learn from, people made of noise to be judged on."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.training.fairness.scored_people import trials_of
from tests.training.toy_embedder_run import RECIPE, toy_data
from training.audit_shipped import FIRST_LANGUAGE
from training.data.manifest import DEV, TEST
from training.evaluate import Attributes
from training.fairness.groups import COUNTRY, SEX, People
from training.studies.study_arms import ARMS, arm_runs
from training.studies.study_run import Bench
from training.studies.study_sides import ATTRIBUTES, CHOSEN_ON, JudgedList, SideFeatures
from training.trained_embedder import TrainedEmbedder, random_network

NUM_PEOPLE, NUM_MELS, NUM_FRAMES = 40, 80, 20
# Groups of ten are compared: two of either sex, and three countries' people are.
COUNTRIES = ("usa", "usa", "france", "india")
WHOLE = replace(RECIPE, steps=2)
RUNS = arm_runs(WHOLE, [ARMS["uniform"], ARMS["pw"]], [0, 1])


def toy_people() -> People:
    names = [str(number) for number in range(NUM_PEOPLE)]
    return People(
        columns={
            SEX: {name: ("female", "male")[number % 2] for number, name in enumerate(names)},
            FIRST_LANGUAGE: {name: "English" if number % 4 < 2 else "another" for number, name in enumerate(names)},
            COUNTRY: {name: COUNTRIES[number % 4] for number, name in enumerate(names)},
        }
    )


def toy_list(
    corpus: str, *, seed: int, num_people: int = NUM_PEOPLE, silent: frozenset[int] = frozenset()
) -> JudgedList:
    """Two sides of each person, alike but for noise; `silent` sides have no speech."""
    random = np.random.default_rng(seed)
    trials = trials_of(NUM_PEOPLE, clips=2)
    voices = random.normal(0, 0.5, (NUM_PEOPLE, NUM_MELS))
    spoken = [voices[int(unit)] + random.normal(0, 2, (NUM_FRAMES, NUM_MELS)) for unit in trials.units]
    sides = [side[:0] if number in silent else side for number, side in enumerate(spoken)]
    return JudgedList(
        name=corpus,
        trials=trials,
        sides=SideFeatures(
            frames=np.concatenate(sides).astype(np.float32), lengths=np.array([len(side) for side in sides])
        ),
        digest=f"{corpus} {seed} {sorted(silent)}",
        attributes=Attributes(people=toy_people(), by=ATTRIBUTES[corpus]),
    )


def toy_bench(out: Path) -> Bench:
    return Bench(
        out=out,
        cache=out / "cache",
        lists={
            DEV: {corpus: toy_list(corpus, seed=0) for corpus in CHOSEN_ON},
            TEST: {corpus: toy_list(corpus, seed=1) for corpus in ATTRIBUTES},
        },
        start=lambda recipe: TrainedEmbedder(recipe.embedder, random_network(recipe.embedder)),
        data_of=lambda recipe, embedder: toy_data(recipe),
        replicas=20,
    )
