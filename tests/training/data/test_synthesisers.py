"""Debian's synthesisers say what they are given and tell when; each is skipped where it is not installed."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from svc.types import MODEL_RATE_HZ
from training.data.spoken_text import DIGITS
from training.data.synthesise import reading_of
from training.data.synthesisers import SYNTHESISERS, EspeakNg, Flite, Manner, Synthesiser

SINGLY = [["six"], ["four"], ["nine"]]


@cache
def synthesiser(name: str) -> tuple[Synthesiser, str]:
    """With one of its voices. Skips the test when Debian's package is not there."""
    made = SYNTHESISERS[name]()
    try:
        return made, made.voices()[0].name
    except InvalidRequestError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", SYNTHESISERS)
def test_every_digit_gets_a_stretch_of_its_own(name: str) -> None:
    speaks, voice = synthesiser(name)
    spoken = speaks.speak([DIGITS[:4], DIGITS[4:7], DIGITS[7:]], voice, Manner())
    assert len(spoken.edges_s) == len(DIGITS) + 1
    assert all(0.1 < end_s - start_s < 1.5 for start_s, end_s in pairwise(spoken.edges_s))
    assert spoken.edges_s[-1] == pytest.approx(len(spoken.samples) / MODEL_RATE_HZ, abs=0.5)


@pytest.mark.parametrize("name", SYNTHESISERS)
def test_the_times_told_lie_in_the_pauses_heard(name: str) -> None:
    speaks, voice = synthesiser(name)
    spoken = speaks.speak([DIGITS[:4], DIGITS[4:8]], voice, Manner(stretch=1.2))
    words = [
        (phrase.span.start_s + word.start_s, phrase.span.start_s + word.end_s)
        for phrase in reading_of(spoken, DIGITS[:8]).phrases
        for word in phrase.words
    ]
    gaps_s = [after[0] - before[1] for before, after in pairwise(words)]
    assert int(np.argmax(gaps_s)) == 3
    assert 0.05 < gaps_s[3] < 0.6


@pytest.mark.parametrize("name", SYNTHESISERS)
def test_what_is_stretched_lasts_longer(name: str) -> None:
    speaks, voice = synthesiser(name)
    quick, slow = (speaks.speak(SINGLY, voice, Manner(stretch=stretch)) for stretch in (0.8, 1.4))
    assert len(slow.samples) > 1.3 * len(quick.samples)


def test_a_higher_voice_of_espeak_is_another_one() -> None:
    speaks, voice = synthesiser("espeak-ng")
    low, high = (speaks.speak(SINGLY, voice, Manner(pitch=pitch)).samples for pitch in (0.8, 1.25))
    common = min(len(low), len(high))
    assert not np.allclose(low[:common], high[:common], atol=0.01)


class NoEspeak(EspeakNg):
    library = "libno-such-espeak.so"


def test_what_is_missing_is_said_with_the_package_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match="apt-get install espeak-ng"):
        NoEspeak().voices()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidRequestError, match="flite is not installed: apt-get install flite"):
        Flite().voices()
