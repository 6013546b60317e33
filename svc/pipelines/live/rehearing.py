"""A stream's closed turns handed to the second pass, and what it made of them given back as text revisions."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

import numpy as np

from svc.pipelines.live.heard_turn import HeardTurn, spoken_by
from svc.pipelines.live.recent_sound import NUM_CHANNELS, IntArray, RecentSound
from svc.pipelines.live.second_pass import ClosedTurn, SecondHearing, SecondPassDesk
from svc.pipelines.live.transcription_events import (
    StreamWarning,
    TextRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    WarningReason,
)
from svc.pipelines.live.turn_split import share_out
from svc.pipelines.live.turns import LATEST_TOKEN_FRAMES

# Sound around a turn that is heard with it.
MARGIN_S = 0.2


class Rehearing:
    """One stream's side of the second pass."""

    def __init__(self, sound: RecentSound, desk: SecondPassDesk) -> None:
        self.sound = sound
        self.desk = desk
        # Per channel, the first frame that no turn before was recognised again on.
        self._unheard = [0] * NUM_CHANNELS
        # And from when on sound was left to the next turn, if it begins soon.
        self._left_s = [-inf] * NUM_CHANNELS

    def hand_in(self, turn: HeardTurn, ended: TurnEnded, *, frame: int) -> list[StreamWarning]:
        """A turn that is over, as far as frames up to `frame` tell."""
        channel, turn_id = turn.started.channel, turn.started.turn_id
        frames = self._frames_of(turn, ended, last=frame)
        # All of it was heard with the turn before: the words of the first pass stay.
        if not len(frames):
            return []
        self._unheard[channel] = int(frames[-1]) + 1
        overlapped = bool(self.sound.active(frames)[:, 1 - channel].any())
        samples = self.sound.separated(frames, channel) if overlapped else self.sound.mixture(frames)
        start_s = self.sound.start_s(int(frames[0]))
        if self.desk.hand_in(ClosedTurn(turn_id=turn_id, channel=channel, start_s=start_s, samples=samples)):
            return []
        message = f"turn {turn_id} is not recognised again: the second pass is too far behind"
        return [StreamWarning(reason=WarningReason.SECOND_PASS_BEHIND, message=message)]

    def collect(self, turns: Mapping[int, HeardTurn], *, wait: bool) -> list[TranscriptionEvent]:
        """Revisions of the turns that were heard since; with `wait`, of all, or a warning."""
        hearings, num_missing = self.desk.collect(wait=wait)
        events = [event for hearing in hearings for event in _revisions(hearing, turns)]
        if wait and num_missing:
            message = f"{num_missing} turns were not recognised again in time"
            events.append(StreamWarning(reason=WarningReason.SECOND_PASS_BEHIND, message=message))
        return events

    def close(self) -> None:
        self.desk.close()

    def _frames_of(self, turn: HeardTurn, ended: TurnEnded, *, last: int) -> IntArray:
        """A turn's frames and the margins around it, without what belongs to the turn before or after on its channel:
        a word that two turns hold would be said twice.
        """
        channel, end_s, start_s = turn.started.channel, ended.end_s, turn.started.start_s - MARGIN_S
        if turn.started.start_s - self._left_s[channel] <= LATEST_TOKEN_FRAMES * self.sound.frame_s + MARGIN_S:
            start_s = min(start_s, self._left_s[channel])
        self._left_s[channel] = -inf
        if ended.forced and self._is_spoken_at(channel, last):
            # A word that is said but did not come yet will open another turn: its sound is left to that one.
            self._left_s[channel] = turn.words[-1].end_s if turn.words else turn.started.start_s
            return self._not_heard_yet(self.sound.frames(start_s, self._left_s[channel], last=last), channel)
        frames = self.sound.frames(start_s, end_s + MARGIN_S, last=last)
        num_said = len(self.sound.frames(start_s, end_s, last=last))
        next_turn = np.flatnonzero(self.sound.active(frames[num_said:])[:, channel])
        if len(next_turn):
            frames = frames[: num_said + int(next_turn[0])]
        return self._not_heard_yet(frames, channel)

    def _not_heard_yet(self, frames: IntArray, channel: int) -> IntArray:
        return frames[frames >= self._unheard[channel]]

    def _is_spoken_at(self, channel: int, frame: int) -> bool:
        """Whether somebody spoke as lately as tokens may come."""
        past_s = self.sound.start_s(frame + 1)
        lately = self.sound.frames(past_s - LATEST_TOKEN_FRAMES * self.sound.frame_s, past_s, last=frame)
        return bool(self.sound.active(lately)[:, channel].any())


def _revisions(hearing: SecondHearing, turns: Mapping[int, HeardTurn]) -> list[TranscriptionEvent]:
    """Of a turn, or of those it was cut into. Where nothing was heard, the words of the first pass stay: no word is
    taken away. Of a cut turn all stay unless each piece has words: those that a piece is left without may be among its
    neighbour's.
    """
    turn_id, turn = hearing.turn.turn_id, turns.get(hearing.turn.turn_id)
    if hearing.words is None:
        message = f"turn {turn_id} could not be recognised again; its text stays"
        return [StreamWarning(reason=WarningReason.SECOND_PASS_FAILED, message=message)]
    words = [
        TranscribedWord(
            turn_id=turn_id,
            text=word.text,
            start_s=hearing.turn.start_s + word.start_s,
            end_s=hearing.turn.start_s + word.end_s,
            channel=hearing.turn.channel,
        )
        for word in hearing.words
    ]
    pieces = (turn.split_into if turn else ()) or ((turn_id, hearing.turn.start_s),)
    shares = share_out(words, [start_s for _, start_s in pieces])
    if not all(shares):
        return []
    return [_reworded(each, share, turns) for (each, _), share in zip(pieces, shares, strict=True)]


def _reworded(turn_id: int, words: tuple[TranscribedWord, ...], turns: Mapping[int, HeardTurn]) -> TextRevised:
    words = tuple(replace(word, turn_id=turn_id) for word in words)
    if turn := turns.get(turn_id):
        turn.words = list(words)
        words = spoken_by(turn)
    return TextRevised(turn_id=turn_id, words=words)
