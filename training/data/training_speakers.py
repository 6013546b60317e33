"""The talkers a verifier is trained on: their sessions, and stretches of speech cut from these across sessions."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from svc.types import MODEL_RATE_HZ, FloatArray
from training.data.augment import at_speed
from training.data.manifest import Clip
from training.data.rendering import SpeechReader
from training.data.utterances import Utterance


@dataclass(frozen=True, slots=True)
class Session:
    """The clips of one recording session, heard one after the other. `group` is a number, or -1 = unknown."""

    clips: tuple[Clip, ...]
    group: int

    @property
    def duration_s(self) -> float:
        return sum(clip.duration_s for clip in self.clips)


@dataclass(frozen=True, slots=True)
class TrainingSpeaker:
    """A talker at one speed: speech that is played faster or slower counts as another person's."""

    name: str
    sessions: tuple[Session, ...]
    speed: float = 1.0

    @property
    def group(self) -> int:
        """Of the first session: what batches are balanced by."""
        return self.sessions[0].group


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a session; it may be longer than the session, and then goes round."""

    session: Session
    start_s: float
    duration_s: float


def training_speakers(
    clips: Sequence[Clip], groups: Mapping[str, int], *, speeds: Sequence[float], min_speech_s: float
) -> list[TrainingSpeaker]:
    """Talkers with enough speech, sorted by name, once for each speed. `groups`: number by clip path."""
    sessions: dict[tuple[str, str, int], list[Clip]] = defaultdict(list)
    for clip in clips:
        # A session whose clips differ in group (of channel, say) is taken apart.
        sessions[clip.speaker, clip.session, groups[clip.path]].append(clip)
    by_speaker: dict[str, list[Session]] = defaultdict(list)
    for (speaker, _, group), heard in sorted(sessions.items()):
        by_speaker[speaker].append(Session(tuple(heard), group))
    return [
        TrainingSpeaker(name, tuple(heard), speed)
        for speed in speeds
        for name, heard in by_speaker.items()
        if sum(session.duration_s for session in heard) >= min_speech_s
    ]


def draw_cuts(
    random: np.random.Generator, speaker: TrainingSpeaker, count: int, *, duration_s: float
) -> tuple[Cut, ...]:
    """`count` stretches of as many sessions as there are; those of one session overlap only when it is too short."""
    needed_s = duration_s * speaker.speed
    order = random.permutation(len(speaker.sessions))
    places = np.arange(count) % len(order)  # the sessions in turn
    cuts = []
    for place, session in zip(range(len(order)), (speaker.sessions[number] for number in order), strict=True):
        cuts += list(_cuts_of(random, session, int(np.sum(places == place)), needed_s))
    return tuple(cuts[number] for number in random.permutation(count))


def _cuts_of(random: np.random.Generator, session: Session, count: int, needed_s: float) -> Iterator[Cut]:
    """One stretch in each of `count` equal parts of the session."""
    part_s = session.duration_s / max(1, count)
    for part in range(count):
        spare_s = part_s - needed_s
        start_s = part * part_s + random.uniform(min(0.0, spare_s), max(0.0, spare_s))
        latest_s = max(0.0, session.duration_s - needed_s)
        yield Cut(session, float(np.clip(start_s, 0.0, latest_s)), needed_s)


def read_cut(cut: Cut, speech: SpeechReader, *, speed: float) -> FloatArray:
    """(N,) at 16 kHz, cut.duration_s / speed long."""
    pieces = list(_pieces(cut, speech)) or [np.zeros(1, np.float32)]
    samples = np.resize(np.concatenate(pieces), round(cut.duration_s * MODEL_RATE_HZ))
    return at_speed(samples, speed)


def _pieces(cut: Cut, speech: SpeechReader) -> Iterator[FloatArray]:
    at_s, end_s = 0.0, cut.start_s + cut.duration_s
    for clip in cut.session.clips:
        first_s, last_s = max(cut.start_s, at_s), min(end_s, at_s + clip.duration_s)
        if first_s < last_s:
            yield speech.read(clip.path, first_s - at_s, last_s - at_s)
        at_s += clip.duration_s


def whole_clip(clip: Clip) -> Utterance:
    """The clip as the speech store keeps it, named by its path."""
    return Utterance(
        utterance_id=clip.path,
        path=clip.path,
        start_s=0.0,
        end_s=clip.duration_s,
        speaker=clip.speaker,
        sex=clip.sex,
        domain=clip.corpus,
        split=clip.split,
        words=(),
    )
