"""The table of an ablation study against numbers made by hand."""

import pytest

from training.figure_text import verdict
from training.metrics.bootstrap import Figure
from training.studies.ablation_scores import ConversationScore, RunScores
from training.studies.ablation_tables import FOUND, TURNS, WER, markdown


def run(errors: tuple[int, int], *, exact: tuple[bool, bool] = (True, False)) -> RunScores:
    """Two conversations of 10 and 30 words, 4 turns each."""
    return RunScores(
        steps=1,
        pause_s=1.0,
        conversations=tuple(
            ConversationScore(
                uri=str(words),
                words=words,
                errors=wrong,
                turns=4,
                turns_found=4 if right else 5,
                turns_by_pauses=3,
                start_delays_s=(0.1, 0.3),
                end_delays_s=(-0.1, 0.5),
            )
            for words, wrong, right in zip((10, 30), errors, exact, strict=True)
        ),
    )


# 50 % and 100 %, by seed; 7.5 % and 17.5 %, a sixth of it.
WORDS = {0: run((5, 15), exact=(False, False)), 1: run((10, 30), exact=(False, False))}
WHOLE = {0: run((1, 2), exact=(True, True)), 1: run((2, 5), exact=(True, True))}


def test_rates_are_means_over_seeds_with_each_seed_beside() -> None:
    table = markdown({"words": WORDS})
    assert "2 runs on 2 conversations, 40 words, 8 turns." in table
    assert (
        "| two-output transducer, words alone | 2 | 75.0 [0.0, 392.7] | 50.0 / 100.0 | - | 0.0 [0.0, 84.2] |" in table
    )
    assert "| 0.0 [0.0, 84.2] | 125.0 |" in table


def test_shares_of_conversations_are_a_hundred_percent_at_most_and_rates_are_not() -> None:
    some = {0: run((5, 15), exact=(True, False)), 1: run((5, 15), exact=(True, True))}
    turns, words = (measure.mean(some.values()) for measure in (TURNS, WER))
    assert turns.value == 0.75
    assert turns.ci95 == (0.0, 1.0)
    assert FOUND.mean(some.values()).value == 1.0625
    assert words.value == 0.5


def test_a_seed_alone_has_no_interval_and_no_verdict() -> None:
    table = markdown({"words": {0: WORDS[0]}, "whole": {0: WHOLE[0]}})
    assert "| two-output transducer, words alone | 1 | 50.0 | 50.0 | - | 0.0 |" in table
    assert "| -85.0 % ORC-WER, whole against words | cannot be told: there is no interval |" in table


def test_latencies_pool_the_turns_of_all_seeds() -> None:
    table = markdown({"words": WORDS})
    assert "| 8 | 200 | 300 | 0.0 [0.0, 84.2] | 8 | 200 | 500 | 50.0 |" in table


def test_claims_are_judged_over_the_seeds_both_have() -> None:
    table = markdown({"words": WORDS | {5: run((0, 0))}, "whole": WHOLE})
    (claim,) = [line for line in table.splitlines() if "-17 % WER" in line]
    assert "| -83.3 % [" in claim
    assert claim.endswith("] ORC-WER, whole against words | holds here, as large as claimed or larger |")
    assert "+100.0 points turn counting, whole against words | cannot be told: there is no interval |" in table
    assert "| - ORC-WER, whole against heat | is not measured yet |" in table


def test_nothing_finished_is_said_so() -> None:
    assert markdown({}) == "no finished run yet"


@pytest.mark.parametrize(
    ("value", "interval", "said"),
    [
        (-0.1, (-0.16, -0.05), "holds here, but smaller than claimed"),
        (-0.3, (-0.4, -0.2), "holds here, as large as claimed or larger"),
        (-0.176, (-0.253, -0.09), "holds here; whether as large as claimed cannot be told"),
        (-0.1, (-0.2, 0.0), "cannot be told: the interval includes zero"),
        (-0.02, (-0.06, 0.02), "does not hold here: the interval includes zero and not the claim"),
        (0.1, (0.05, 0.2), "does not hold here: it is the other way round"),
        (-0.1, None, "cannot be told: there is no interval"),
        (None, None, "is not measured yet"),
    ],
)
def test_a_verdict_follows_from_the_interval(
    value: float | None, interval: tuple[float, float] | None, said: str
) -> None:
    assert verdict(Figure(value, interval), -0.17) == said
