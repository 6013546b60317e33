"""Word errors of each talker: everything said counts once, and the cohort with the most errors is found."""

import pytest

from svc.models.transcriber import Transcriber
from tests.training.data.talkers import talkers
from tests.training.toy_adaptation import toy_artifact
from tests.training.toy_transcriber_run import toy_data
from training.data.rendering import render
from training.speaker_errors import LEAD_S, errors_by_speaker, spoken_alone, total, worst_cohort
from training.transcriber_validation import ChannelErrors


def quiet_model() -> Transcriber:
    """One that hears no word."""
    return toy_artifact().model


def test_every_word_of_every_talker_counts_once() -> None:
    said = talkers(3)
    errors = errors_by_speaker(quiet_model(), said, toy_data().sounds, toy_data().units)
    words = {who: sum(len(each.words) for each in said if each.speaker == who) for who in ("t0", "t1", "t2")}
    assert {who: counted.words for who, counted in errors.items()} == words


def test_talkers_are_counted_alike_alone_and_among_others() -> None:
    said, sounds, units = talkers(3), toy_data().sounds, toy_data().units
    together = errors_by_speaker(quiet_model(), said, sounds, units)
    alone = errors_by_speaker(quiet_model(), [each for each in said if each.speaker == "t1"], sounds, units)
    assert alone == {"t1": together["t1"]}


def test_an_utterance_is_heard_whole_and_nothing_else_is() -> None:
    spoken = talkers(1)[0]
    recipe = spoken_alone(spoken)
    assert [word.text for word in recipe.turns[0].words] == [word.text for word in spoken.words]
    assert recipe.turns[0].words[0].start_s == pytest.approx(LEAD_S + spoken.words[0].start_s)
    mixture = render(recipe, toy_data().sounds)
    assert abs(mixture.samples).max() > 0.01
    assert (mixture.sources[1] == 0).all()


def test_the_worst_cohort_has_most_errors_among_those_large_enough() -> None:
    rates = {"a": 1, "b": 2, "c": 3, "d": 8, "e": 9, "f": 10, "g": 10}
    errors = {who: ChannelErrors(words=10, errors=wrong) for who, wrong in rates.items()}
    cohorts = {"good": ("a", "b", "c"), "bad": ("d", "e", "f", "unheard"), "tiny": ("g",)}
    assert worst_cohort(cohorts, errors) == "bad"
    assert total(errors, cohorts["bad"]) == ChannelErrors(words=30, errors=27)
    with pytest.raises(ValueError, match="no cohort has 3 talkers"):
        worst_cohort({"tiny": ("g",)}, errors)
