"""Made-up people: places, voices and errors, with a cohort that is misheard more often where a test plants one."""

from collections.abc import Callable, Mapping

import numpy as np

from svc.types import FloatArray
from training.fairness.cohorts.region_tree import Degrees
from training.fairness.cohorts.speaker_errors import HeardUtterances
from training.metrics.transcription import WordErrors
from training.utterance_errors import UtteranceErrors

WORDS = 12


def utterance(speaker: str, number: int, errors: int, *, words: int = WORDS, domain: str = "d") -> UtteranceErrors:
    return UtteranceErrors(
        utterance_id=f"{speaker}-{domain}-{number}",
        speaker=speaker,
        domain=domain,
        recording=f"{speaker}-{domain}",
        duration_s=3.0,
        transcriber="m",
        errors=WordErrors(words=words, substitutions=errors),
    )


def names(count: int) -> list[str]:
    return [f"p{number:03d}" for number in range(count)]


def lines(
    wer_of: Callable[[int], float], *, people: int = 80, seed: int = 0, utterances: int = 4, domain: str = "d"
) -> list[UtteranceErrors]:
    """Person number -> chance that a word is misheard."""
    random = np.random.default_rng(seed)
    return [
        utterance(name, each, int(random.binomial(WORDS, wer_of(number))), domain=domain)
        for number, name in enumerate(names(people))
        for each in range(utterances)
    ]


def heard(
    wer_of: Callable[[int], float], *, people: int = 80, seed: int = 0, utterances: int = 4, domain: str = "d"
) -> HeardUtterances:
    return HeardUtterances(lines(wer_of, people=people, seed=seed, utterances=utterances, domain=domain))


def worse_quarter(number: int) -> float:
    """Every fourth person is misheard three times as often."""
    return 0.3 if number % 4 == 0 else 0.1


def voices(people: int = 80) -> Mapping[str, FloatArray]:
    """Four directions of 16, a quarter of the people around each."""
    random = np.random.default_rng(7)
    made = {}
    for number, name in enumerate(names(people)):
        voice = np.eye(4, 16)[number % 4] + 0.1 * random.normal(size=16)
        made[name] = (voice / np.linalg.norm(voice)).astype(np.float32)
    return made


def places(people: int = 80) -> Mapping[str, Degrees]:
    """The worse quarter lives in the north-east, the others in the three other quarters of the world."""
    random = np.random.default_rng(8)
    corners = ((60, 40), (-60, 40), (-60, -40), (60, -40))
    return {
        name: (
            corners[number % 4][0] + 5 * float(random.normal()),
            corners[number % 4][1] + 5 * float(random.normal()),
        )
        for number, name in enumerate(names(people))
    }
