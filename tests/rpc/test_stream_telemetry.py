"""What live streams tell operators: words when they were said, and once."""

import time

import pytest
from prometheus_client import CollectorRegistry

from svc.pipelines.live.transcription_events import FinalWord, TranscribedWord, TurnEnded, TurnStarted
from svc.rpc.stream_telemetry import StreamMeter, StreamMetrics


def word(turn_id: int, end_s: float) -> FinalWord:
    return FinalWord(word=TranscribedWord(turn_id=turn_id, text="one", start_s=end_s - 0.3, end_s=end_s, channel=0))


def test_words_of_a_turn_that_was_cut_off_are_not_counted_again() -> None:
    registry = CollectorRegistry()
    meter = StreamMeter(StreamMetrics(registry), None)
    meter.on_audio(10.0, time.monotonic())
    for event in (
        TurnStarted(turn_id=0, channel=0, start_s=0.5),
        word(0, 1.0),
        word(0, 2.0),
        TurnEnded(turn_id=0, end_s=2.0, forced=False),
        TurnStarted(turn_id=1, channel=0, start_s=1.7, cut_off=True),
        word(1, 2.0),
        TurnEnded(turn_id=1, end_s=2.0, forced=False),
        TurnStarted(turn_id=2, channel=0, start_s=3.0),
        word(2, 4.0),
    ):
        meter.on_event(event)
    value = registry.get_sample_value
    assert value("equivox_stream_words_total") == 3
    assert value("equivox_stream_first_word_seconds_count") == 2
    assert value("equivox_stream_turns_total", {"forced": "false"}) == 2


def test_a_first_word_is_late_from_when_its_audio_came(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    meter = StreamMeter(StreamMetrics(registry), None)
    monkeypatch.setattr(time, "monotonic", lambda: 107.0)
    meter.on_audio(1.0, 100.0)
    meter.on_audio(1.0, 104.0)
    meter.on_event(word(0, 1.5))
    assert registry.get_sample_value("equivox_stream_first_word_seconds_sum") == 3
