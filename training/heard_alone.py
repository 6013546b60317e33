"""Word errors of each talker: whole utterances, one at a time, heard by the recogniser alone and decoded as served."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.backends.loading import decoder_config
from svc.config import TranscriptionConfig
from svc.models.transcriber import Transcriber
from training.data.augment import Degradation
from training.data.batches import TrainingExample, make_example
from training.data.cohort_vectors import NO_COHORTS, CohortVectors
from training.data.mixture_recipe import MixtureRecipe, Piece, PlacedTurn
from training.data.rendering import Sounds, render
from training.data.targets import TargetConfig
from training.data.units import UnitEncoder
from training.data.utterances import TimedWord, Utterance
from training.fairness.cohorts.cohort import Cohorts
from training.fairness.cohorts.speaker_errors import Labels, SpeakerErrors, sizes
from training.transcriber_validation import BATCH, ChannelErrors, channel_errors

# Silence before and after.
LEAD_S, TAIL_S = 0.3, 0.8
# Below so many talkers a cohort is not said to be the worst.
FEW_SPEAKERS = 3


def spoken_alone(utterance: Utterance, *, speed: float = 1.0, telephone: bool = False) -> MixtureRecipe:
    """A mixture of nothing but this utterance, at the level of training: clean, or in the telephone band."""
    piece = Piece(utterance_id=utterance.utterance_id, start_s=0.0, end_s=utterance.duration_s, at_s=LEAD_S)
    words = (
        TimedWord(word.text, LEAD_S + word.start_s / speed, LEAD_S + word.end_s / speed) for word in utterance.words
    )
    turn = PlacedTurn(speaker=utterance.speaker, channel=0, words=tuple(words), pieces=(piece,), speed=speed)
    duration_s = LEAD_S + utterance.duration_s / speed + TAIL_S
    return MixtureRecipe(seed=0, duration_s=duration_s, turns=(turn,), degradation=Degradation(telephone=telephone))


def hear_alone(
    model: Transcriber,
    utterances: Sequence[Utterance],
    sounds: Sounds,
    units: UnitEncoder,
    *,
    placed: Callable[[Utterance], MixtureRecipe] = spoken_alone,
    cohorts: CohortVectors = NO_COHORTS,
    turn_tokens: bool = True,
    tick: Callable[[], None] = lambda: None,
) -> SpeakerErrors:
    """The model, in evaluation, on everything said; utterances without words are left out. It is told `cohorts`.
    `turn_tokens`: whether it learnt them.
    """
    decoder = replace(decoder_config(TranscriptionConfig()), turn_tokens=turn_tokens)
    found: defaultdict[tuple[str, str], ChannelErrors] = defaultdict(ChannelErrors)
    for batch in _batches(utterances):
        examples = [*_examples(map(placed, batch), sounds, units, cohorts)]
        errors = channel_errors(model, examples, units.units, separated=True, decoder=decoder)
        for spoken, counted in zip(batch, errors, strict=True):
            found[spoken.speaker, spoken.domain] += counted
            tick()
    return _by_speaker(found)


def _by_speaker(found: Mapping[tuple[str, str], ChannelErrors]) -> SpeakerErrors:
    speakers, domains = (tuple(sorted({key[place] for key in found})) for place in (0, 1))
    cells = [[found.get((who, domain), ChannelErrors()) for domain in domains] for who in speakers]
    return SpeakerErrors(
        speakers=speakers,
        domains=domains,
        errors=np.array([[cell.errors for cell in row] for row in cells], np.float64),
        words=np.array([[cell.words for cell in row] for row in cells], np.float64),
    )


def _batches(utterances: Sequence[Utterance]) -> Iterator[Sequence[Utterance]]:
    """Of like lengths."""
    by_length = sorted((spoken for spoken in utterances if spoken.words), key=lambda spoken: spoken.duration_s)
    for start in range(0, len(by_length), BATCH):
        yield by_length[start : start + BATCH]


def _examples(
    recipes: Iterable[MixtureRecipe], sounds: Sounds, units: UnitEncoder, cohorts: CohortVectors
) -> Iterator[TrainingExample]:
    filterbank, config = Filterbank(FilterbankConfig()), TargetConfig()
    for recipe in recipes:
        yield make_example(render(recipe, sounds, with_sources=False), filterbank, units, config, cohorts=cohorts)


def labels_of(cohorts: Cohorts, speakers: Sequence[str]) -> Labels:
    """(S,) the number of each one's cohort; -1 = of none."""
    number_of = cohorts.number_of
    return np.array([number_of.get(who, -1) for who in speakers], np.int64)


def worst_cohort(cohorts: Cohorts, errors: SpeakerErrors) -> str:
    """The name of the one with the highest WER, domains apart, of those of which enough talkers were heard.

    Raises ValueError when there is none.
    """
    labels = labels_of(cohorts, errors.speakers)
    rates = errors.rates(labels, len(cohorts))
    large = [number for number in np.flatnonzero(sizes(labels, len(cohorts)) >= FEW_SPEAKERS) if rates[number] >= 0]
    if not large:
        raise ValueError(f"no cohort has {FEW_SPEAKERS} talkers that were heard: name one with --cohort")
    return cohorts.cohorts[max(large, key=lambda number: rates[number])].name
