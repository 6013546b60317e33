"""Events of a live stream, and when they came, as a transcript."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from svc.pipelines.live.transcription_events import (
    AttributedSpeaker,
    FinalWord,
    PartialWords,
    SpeakerRevised,
    TextRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)
from svc.types import FloatArray
from training.event_transcript import EventTranscript, play

STARTED = TurnStarted(turn_id=0, channel=1, start_s=0.5)
ENDED = TurnEnded(turn_id=0, end_s=2.5, forced=False, speaker=AttributedSpeaker(label="S0"))


def word(text: str, start_s: float = 1.0, end_s: float = 1.5) -> TranscribedWord:
    return TranscribedWord(turn_id=0, text=text, start_s=start_s, end_s=end_s, channel=1)


class ScriptedStream:
    """Gives the events of each push as told, and takes `work_s` for it on its own clock."""

    def __init__(self, script: Sequence[Sequence[TranscriptionEvent]], *, work_s: float) -> None:
        self.script: Iterator[Sequence[TranscriptionEvent]] = iter(script)
        self.pushed: list[FloatArray] = []
        self.work_s = work_s
        self.now_s = 100.0

    def push(self, samples: FloatArray) -> Sequence[TranscriptionEvent]:
        self.pushed.append(samples)
        return self.close()

    def close(self) -> Sequence[TranscriptionEvent]:
        self.now_s += self.work_s
        return next(self.script)

    def clock(self) -> float:
        return self.now_s


def test_a_turn_holds_its_words_and_when_each_thing_was_told() -> None:
    transcript = EventTranscript()
    transcript.add([STARTED, PartialWords(turn_id=0, words=(word("on"),))], 0.8)
    transcript.add([FinalWord(word=word("one")), FinalWord(word=word("two", 1.5, 2.0))], 2.1)
    transcript.add([ENDED], 2.9)
    (turn,) = transcript.turns
    assert [(said.text, said.start_s, said.said_at_s) for said in turn.words] == [("one", 1.0, 2.1), ("two", 1.5, 2.1)]
    assert (turn.channel, turn.speaker, turn.start_s, turn.end_s) == (1, "S0", 0.5, 2.5)
    assert (turn.started_at_s, turn.ended_at_s) == (0.8, 2.9)


def test_revisions_replace_words_and_speaker() -> None:
    transcript = EventTranscript()
    transcript.add([STARTED, FinalWord(word=word("won")), ENDED], 1.0)
    revised = AttributedSpeaker(label="S1", profile_id="ann")
    transcript.add([TextRevised(turn_id=0, words=(word("one"),)), SpeakerRevised(turn_id=0, speaker=revised)], 3.0)
    assert [(turn.speaker, turn.words[0].text, turn.words[0].said_at_s) for turn in transcript.turns] == [
        ("ann", "one", 3.0)
    ]


@pytest.mark.parametrize(
    ("work_s", "told_at_s"),
    # The last piece comes at 0.25 s; slow work makes it wait for the two before.
    [(0.01, (0.11, 0.26)), (0.2, (0.3, 0.7))],
)
def test_events_are_told_when_the_audio_is_there_and_the_work_is_done(
    work_s: float, told_at_s: tuple[float, float]
) -> None:
    stream = ScriptedStream([[STARTED], [], [FinalWord(word=word("one"))], [ENDED]], work_s=work_s)
    (turn,) = play(stream, np.zeros(4_000, np.float32), piece_s=0.1, clock=stream.clock)
    assert [len(piece) for piece in stream.pushed] == [1_600, 1_600, 800]
    assert (turn.started_at_s, turn.words[0].said_at_s) == pytest.approx(told_at_s)
    assert turn.ended_at_s == pytest.approx(told_at_s[1] + work_s)
