"""Diarization of hums: the whole pipeline with models that are simple, but hear."""

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from svc.pipelines.diarization import DiarizationConfig, Diarizer, speaker_bounds
from svc.types import DiarizationResult, Span, Turn, Waveform
from tests.pipelines.toy_voices import RATE_HZ, HumEmbedder, HumSegmenter, hum, turn
from training.metrics.diarization import diarization_errors

CONVERSATION = (
    turn(0.5, 4.0, 0),
    turn(4.2, 9.0, 1),
    turn(8.0, 13.0, 2),
    turn(13.5, 17.0, 0),
    turn(16.0, 18.0, 1),
    turn(20.0, 23.0, 2),
)
DURATION_S = 24.0


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer(segmenter=HumSegmenter(), embedder=HumEmbedder(), config=DiarizationConfig(hop_s=1.0))


@pytest.fixture(scope="module")
def result(diarizer: Diarizer) -> DiarizationResult:
    return diarizer.diarize(hum(CONVERSATION, duration_s=DURATION_S))


def der(reference: tuple[Turn, ...], hypothesis: DiarizationResult) -> float:
    return diarization_errors(reference, hypothesis.turns, scored=Span(0, hypothesis.duration_s)).rate


def test_turns_are_found_to_the_frame(result: DiarizationResult) -> None:
    # Twelve boundaries, each off by less than half a frame of 20 ms.
    assert der(CONVERSATION, result) < 0.01


def test_labels_are_in_order_of_first_turn(result: DiarizationResult) -> None:
    assert [speaker.label for speaker in result.speakers] == ["S0", "S1", "S2"]
    assert [found.speaker for found in result.turns] == [said.speaker for said in CONVERSATION]


def test_overlaps_are_where_two_talk(result: DiarizationResult) -> None:
    found = [(round(span.start_s, 1), round(span.end_s, 1)) for span in result.overlaps]
    assert found == [(8.0, 9.0), (16.0, 17.0)]


def test_speech_of_a_speaker_is_the_sum_of_its_turns(result: DiarizationResult) -> None:
    for speaker in result.speakers:
        turns_s = [found.span.duration_s for found in result.turns if found.speaker == speaker.label]
        assert speaker.speech_s == pytest.approx(sum(turns_s))


def test_voiceprints_are_of_one_speaker_alone(result: DiarizationResult) -> None:
    for pitch, speaker in enumerate(result.speakers):
        assert speaker.voiceprint is not None
        assert speaker.voiceprint.vector.argmax() == pitch
        assert speaker.voiceprint.vector[pitch] > 0.99
        assert speaker.voiceprint.model_fingerprint == result.model_fingerprint


def test_a_speaker_of_a_moment_has_no_voiceprint(diarizer: Diarizer) -> None:
    result = diarizer.diarize(hum([turn(1.0, 1.6, 0)], duration_s=6.0))
    assert [speaker.voiceprint for speaker in result.speakers] == [None]


@pytest.mark.parametrize("duration_s", [0.0, 0.5, 30.0])
def test_silence_is_an_empty_result(diarizer: Diarizer, duration_s: float) -> None:
    result = diarizer.diarize(hum([], duration_s=duration_s))
    assert (result.turns, result.overlaps, result.speakers) == ((), (), ())
    assert result.duration_s == duration_s


@pytest.mark.parametrize("duration_s", [0.9, 4.99, 5.0, 5.01, 7.3, 31.7])
def test_every_length_is_covered_to_its_end(diarizer: Diarizer, duration_s: float) -> None:
    said = (turn(0.0, duration_s, 0),)
    result = diarizer.diarize(hum(said, duration_s=duration_s))
    assert der(said, result) < 0.025  # the last frame may be cut off
    assert all(found.span.end_s <= duration_s for found in result.turns)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_a_known_number_of_speakers_is_kept(diarizer: Diarizer, known: int) -> None:
    result = diarizer.diarize(hum(CONVERSATION, duration_s=DURATION_S), num_speakers=known)
    assert len(result.speakers) == known


def test_bounds_are_kept(diarizer: Diarizer) -> None:
    waveform = hum(CONVERSATION, duration_s=DURATION_S)
    assert len(diarizer.diarize(waveform, max_speakers=2).speakers) == 2
    assert len(diarizer.diarize(waveform, min_speakers=2, max_speakers=5).speakers) == 3
    # A hundred would need as many voices; what there are is no error.
    assert 3 <= len(diarizer.diarize(waveform, min_speakers=100).speakers) <= 100


@pytest.mark.parametrize(
    ("exact", "fewest", "most", "field"),
    [
        (0, None, None, "num_speakers"),
        (None, -1, None, "min_speakers"),
        (None, None, 0, "max_speakers"),
        (2, 1, None, "num_speakers"),
        (2, None, 3, "num_speakers"),
        (None, 4, 3, "min_speakers"),
        (2**32 - 1, None, None, "num_speakers"),
        (None, 101, None, "min_speakers"),
    ],
)
def test_contradictory_bounds_name_their_field(
    exact: int | None, fewest: int | None, most: int | None, field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=field) as raised:
        speaker_bounds(exact, fewest, max_speakers=most, config=DiarizationConfig())
    assert raised.value.field == field


def test_an_upper_bound_past_the_limit_is_the_limit() -> None:
    bounds = speaker_bounds(None, None, max_speakers=2**32 - 1, config=DiarizationConfig())
    assert (bounds.fewest, bounds.most) == (1, DiarizationConfig().speaker_limit)


def test_progress_rises_to_one(diarizer: Diarizer) -> None:
    shares: list[float] = []
    diarizer.diarize(hum(CONVERSATION, duration_s=DURATION_S), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_long_recordings_are_heard_in_small_batches() -> None:
    segmenter = HumSegmenter()
    Diarizer(segmenter=segmenter, embedder=HumEmbedder()).diarize(hum([turn(1, 59, 0)], duration_s=60.0))
    assert segmenter.largest_batch <= DiarizationConfig().embedding.batch_windows


def test_any_sample_rate_gives_the_same_turns(diarizer: Diarizer, result: DiarizationResult) -> None:
    doubled = Waveform(np.repeat(hum(CONVERSATION, duration_s=DURATION_S).samples, 2), 2 * RATE_HZ)
    again = diarizer.diarize(doubled)
    assert der(result.turns, again) < 0.02


def test_windows_with_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="gaps"):
        Diarizer(segmenter=HumSegmenter(), embedder=HumEmbedder(), config=DiarizationConfig(hop_s=5.5))
