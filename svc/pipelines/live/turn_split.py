"""A turn that proves to be of several people: its words handed out to the parts its voices were found in."""

from collections.abc import Sequence
from dataclasses import dataclass

from svc.pipelines.live.transcription_events import TranscribedWord
from svc.pipelines.live.turn_voices import TurnPart, TurnVoice


@dataclass(frozen=True, slots=True, eq=False)
class SpokenPart:
    """Words one after the other by one voice; None when it cannot be told."""

    words: tuple[TranscribedWord, ...]
    voice: TurnVoice | None


def spoken_parts(parts: Sequence[TurnPart], words: Sequence[TranscribedWord]) -> list[SpokenPart]:
    """Every word in one part; a part in which nothing was said is left out. One at least."""
    shares = share_out(words, [part.start_s for part in parts] or [0.0])
    voices = [part.voice for part in parts] or [None]
    found = [SpokenPart(share, voice) for share, voice in zip(shares, voices, strict=True) if share]
    return found or [SpokenPart((), voices[0])]


def share_out(words: Sequence[TranscribedWord], starts_s: Sequence[float]) -> list[tuple[TranscribedWord, ...]]:
    """Each word to the last start that its middle lies past, else to the first."""
    shares: list[list[TranscribedWord]] = [[] for _ in starts_s]
    for word in words:
        middle_s = (word.start_s + word.end_s) / 2
        shares[sum(start_s <= middle_s for start_s in starts_s[1:])].append(word)
    return [tuple(share) for share in shares]
