"""A turn of several people cut into turns of one each, and what the caller is told of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from svc.pipelines.live.channel_voices import ChannelVoices
from svc.pipelines.live.heard_turn import HeardTurn, spoken_by, told_whole
from svc.pipelines.live.speaker_labels import Placement, SpeakerLabels
from svc.pipelines.live.transcription_events import (
    AttributedSpeaker,
    TextRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnStarted,
)
from svc.pipelines.live.turn_split import SpokenPart
from svc.pipelines.live.turn_voices import TurnVoice


class TurnCutter:
    """One stream's. What it cuts off is told by `told`, which must come before anything else that changes."""

    def __init__(
        self,
        labels: SpeakerLabels,
        channels: ChannelVoices,
        *,
        speaker_of: Callable[[Placement], AttributedSpeaker],
        numbers: Iterator[int],
    ) -> None:
        """`numbers` gives the turn_ids of what is cut off."""
        self.labels = labels
        self.channels = channels
        self.speaker_of = speaker_of
        self._numbers = numbers
        self._untold: list[TranscriptionEvent] = []

    def cut(self, turn: HeardTurn, first: SpokenPart, others: Sequence[SpokenPart]) -> list[HeardTurn]:
        """Leaves a turn its first voice's words; other voices' become the turns returned, which are over."""
        pieces = [turn]
        turn.words = list(first.words)
        for part in others:
            if part.voice is None or self._is_by(pieces[-1], part.voice):
                pieces[-1].words += part.words
            else:
                pieces.append(self._new_turn(part.words, part.voice, channel=turn.started.channel))
                self.channels.follow(pieces[-2], pieces[-1], part.voice)
        if len(pieces) > 1:
            turn.split_into = tuple((piece.started.turn_id, piece.started.start_s) for piece in pieces)
            self._untold += [
                TextRevised(turn_id=turn.started.turn_id, words=spoken_by(turn), end_s=turn.words[-1].end_s),
                *(event for piece in pieces[1:] for event in told_whole(piece)),
            ]
        return pieces[1:]

    def told(self) -> list[TranscriptionEvent]:
        """The cuts since the last call."""
        cuts, self._untold = self._untold, []
        return cuts

    def _is_by(self, turn: HeardTurn, voice: TurnVoice) -> bool:
        """Whether a turn's speaker is known, and speaks so."""
        label = turn.placement.label
        return label is not None and self.labels.is_by(label, voice)

    def _new_turn(self, words: Sequence[TranscribedWord], voice: TurnVoice, *, channel: int) -> HeardTurn:
        turn_id = next(self._numbers)
        placement = self.labels.place(turn_id, voice)
        return HeardTurn(
            TurnStarted(turn_id=turn_id, channel=channel, start_s=words[0].start_s, cut_off=True),
            words=[replace(word, turn_id=turn_id) for word in words],
            placement=placement,
            told=self.speaker_of(placement),
            is_open=False,
            is_settled=True,
        )
