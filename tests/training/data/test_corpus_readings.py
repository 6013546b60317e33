"""Each corpus is read by its own rule; what cannot be believed is named, not kept."""

import numpy as np
import pytest

from svc.types import FloatArray
from tests.training.data.test_pauses import bursts
from tests.training.data.toy_aligner import EvenAligner
from training.data.corpus_readings import (
    align_in_windows,
    aligned_words,
    read_as_given,
    read_isolated,
    read_number,
    read_paragraph,
    read_untranscribed,
    spoken_digits,
)
from training.data.manifest import Clip


def clip(text: str, path: str = "c/s/numbers.opus", *, split: str = "train") -> Clip:
    return Clip(
        path=path, corpus="c", split=split, speaker="c:s", session="", sex="", country="", language="", age=None,
        channel="", sample_rate_hz=16_000, duration_s=1.0, text=text,
    )  # fmt: skip


def beats(count: int, *, pause_s: float = 0.1) -> FloatArray:
    """Words of 0.4 s."""
    step_s = 0.4 + pause_s
    return bursts(*((0.3 + i * step_s, 0.7 + i * step_s) for i in range(count)), duration_s=0.6 + count * step_s)


def test_an_isolated_word_is_all_the_speech_there_is() -> None:
    (phrase,) = read_isolated(clip("seven"), bursts((0.5, 1.0), duration_s=1.5), EvenAligner()).phrases
    (word,) = phrase.words
    assert phrase.span.start_s + word.start_s == pytest.approx(0.5, abs=0.021)
    assert phrase.span.start_s + word.end_s == pytest.approx(1.0, abs=0.021)
    assert phrase.span.start_s == pytest.approx(0.4, abs=0.021)


def test_a_gloss_of_two_words_shares_the_stretch_out() -> None:
    (phrase,) = read_isolated(clip("zoom in"), bursts((0.2, 0.8), duration_s=1.0), EvenAligner()).phrases
    zoom, second = phrase.words
    assert (zoom.text, second.text) == ("zoom", "in")
    assert zoom.end_s == second.start_s
    assert zoom.end_s - zoom.start_s == pytest.approx(2 * (second.end_s - second.start_s))


@pytest.mark.parametrize("samples", [bursts((0.1, 1.9), duration_s=2.0), np.zeros(8000, np.float32)])
def test_what_cannot_be_one_word_is_left_out(samples: FloatArray) -> None:
    reading = read_isolated(clip("seven"), samples, EvenAligner())
    assert not reading.phrases
    assert reading.reasons == ("no word of credible length",)


def test_a_number_is_believed_only_if_those_digits_are_heard() -> None:
    kept = read_number(clip("1207"), beats(4), EvenAligner(heard="12 oh seven."))
    assert " ".join(word.text for phrase in kept.phrases for word in phrase.words) == "one two zero seven"
    refused = read_number(clip("1207"), beats(4), EvenAligner(heard="1 7"))
    assert refused.reasons == ("not the digits asked for",)
    assert read_number(clip("asher singh", "c/s/names.opus"), beats(2), EvenAligner()).phrases == ()


@pytest.mark.parametrize(("heard", "kept"), [("1 2 7", "1 2 0 7"), ("0 1 2 0 7", "0 1 2 0 7"), ("1 2 0 7 4 4", "")])
def test_of_a_train_talker_one_digit_may_be_heard_otherwise(heard: str, kept: str) -> None:
    aligner, samples = EvenAligner(heard=heard), beats(len(kept.split()) or 6)
    reading = read_number(clip("1207"), samples, aligner)
    assert [word.text for phrase in reading.phrases for word in phrase.words] == spoken_digits(kept)
    # Whoever is judged must have said just what the text says.
    assert read_number(clip("1207", split="dev"), samples, aligner).phrases == ()


def test_a_digit_heard_otherwise_must_be_found_in_the_sound() -> None:
    doubtful = EvenAligner(heard="1 2 7", probability=0.4)
    assert read_number(clip("1207"), beats(4), doubtful).reasons == ("words improbable",)
    assert read_number(clip("127"), beats(3), doubtful).phrases


def test_written_and_spoken_digits_are_the_same_digits() -> None:
    assert spoken_digits("Five, 0-8 oh 12") == ["five", "zero", "eight", "zero", "one", "two"]


def test_a_text_as_given_keeps_its_unknown_word() -> None:
    (phrase,) = read_as_given(clip("call <unk> now"), beats(3), EvenAligner()).phrases
    assert [word.text for word in phrase.words] == ["call", "<unk>", "now"]


def test_a_recording_without_text_gets_the_words_heard() -> None:
    (phrase,) = read_untranscribed(clip(""), beats(3), EvenAligner(heard="We're 2 here.")).phrases
    assert [word.text for word in phrase.words] == ["we're", "two", "here"]


def test_a_talker_mostly_not_believed_is_left_out() -> None:
    # Three words over ten bursts: nearly all last far too long.
    reading = read_paragraph(clip("we go now"), beats(10, pause_s=0.3), EvenAligner())
    assert reading.phrases == ()
    assert reading.reasons


def test_silence_has_no_words() -> None:
    assert aligned_words(["word"], np.zeros(16_000, np.float32), EvenAligner())[0] == []
    assert read_as_given(clip("word"), np.zeros(16_000, np.float32), EvenAligner()).reasons == ("no speech or no text",)


@pytest.mark.parametrize("duration_s", [10, 45, 100])
def test_long_recordings_are_aligned_window_by_window(duration_s: int) -> None:
    aligner, texts = EvenAligner(), [f"w{number}" for number in range(2 * duration_s)]
    words = align_in_windows(np.zeros(duration_s * 16_000, np.float32), texts, aligner)
    assert [word.text for word in words] == texts
    assert max(aligner.given_s) <= 29.0
    np.testing.assert_allclose([word.start_s for word in words], np.arange(len(texts)) / 2, atol=0.5)
