"""Word errors of each talker: everything said counts once, and the cohort with the most errors is found."""

import numpy as np
import pytest

from tests.training.data.talkers import talkers
from tests.training.toy_adaptation import toy_artifact
from tests.training.toy_transcriber_run import toy_data
from training.data.rendering import render
from training.fairness.cohorts.cohort import cohorts_of
from training.fairness.cohorts.speaker_errors import SpeakerErrors
from training.heard_alone import LEAD_S, hear_alone, spoken_alone, worst_cohort


def test_every_word_of_every_talker_counts_once_in_its_domain() -> None:
    said = talkers(3)
    heard = hear_alone(toy_artifact().model, said, toy_data().sounds, toy_data().units)
    for row, who in enumerate(heard.speakers):
        for column, domain in enumerate(heard.domains):
            words = [len(each.words) for each in said if (each.speaker, each.domain) == (who, domain)]
            assert heard.words[row, column] == sum(words)
    assert heard.words.sum() == sum(len(each.words) for each in said)


def test_talkers_are_counted_alike_alone_and_among_others() -> None:
    model, said, sounds, units = toy_artifact().model, talkers(3), toy_data().sounds, toy_data().units
    together = hear_alone(model, said, sounds, units)
    alone = hear_alone(model, [each for each in said if each.speaker == "t1"], sounds, units)
    np.testing.assert_array_equal(alone.errors[0], together.errors[together.speakers.index("t1")])


def test_an_utterance_is_heard_whole_and_nothing_else_is() -> None:
    spoken = talkers(1)[0]
    recipe = spoken_alone(spoken)
    assert [word.text for word in recipe.turns[0].words] == [word.text for word in spoken.words]
    assert recipe.turns[0].words[0].start_s == pytest.approx(LEAD_S + spoken.words[0].start_s)
    mixture = render(recipe, toy_data().sounds)
    assert abs(mixture.samples).max() > 0.01
    assert (mixture.sources[1] == 0).all()


def heard(rates: dict[str, float], words: float = 10) -> SpeakerErrors:
    """Each talker in the domain his name begins with."""
    domains = tuple(sorted({who[0] for who in rates}))
    spoken = np.array([[words * (who[0] == domain) for domain in domains] for who in rates])
    errors = spoken * np.array([*rates.values()])[:, None]
    return SpeakerErrors(speakers=tuple(rates), domains=domains, errors=errors, words=spoken)


def test_the_worst_cohort_has_most_errors_among_those_large_enough() -> None:
    errors = heard({f"a{number}": number / 10 for number in range(7)} | {"a9": 1.0})
    cohort_of = {f"a{number}": "good" if number < 3 else "bad" for number in range(7)} | {
        "unheard": "bad",
        "a9": "tiny",
    }
    assert worst_cohort(cohorts_of("toy", cohort_of), errors) == "bad"
    with pytest.raises(ValueError, match="no cohort has 3 talkers"):
        worst_cohort(cohorts_of("toy", {"a9": "tiny"}), errors)


def test_a_cohort_is_not_the_worst_for_what_it_has_to_say() -> None:
    easy, hard = (0.01, 0.01, 0.02), (0.5, 0.5, 0.5)
    rates = {f"e{number}": rate for number, rate in enumerate((*easy, 0.03, 0.03, 0.03))}
    rates |= {f"h{number}": rate for number, rate in enumerate(hard)}
    cohort_of = {who: "hard" if who[0] == "h" else "well" if int(who[1]) < 3 else "badly" for who in rates}
    assert worst_cohort(cohorts_of("toy", cohort_of), heard(rates)) == "badly"
