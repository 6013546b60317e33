"""Live streams with real attribution over toy models, and what their events amount to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig
from svc.backends.protocols import Embedder
from svc.pipelines.enrolment import Enroller
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.identification import Identifier
from svc.pipelines.live.attribution import Attributor
from svc.pipelines.live.channel_voices import Tell, to_nobody
from svc.pipelines.live.label_profiles import LabelProfiles
from svc.pipelines.live.recent_sound import RecentSound
from svc.pipelines.live.second_pass import SecondPassDesk
from svc.pipelines.live.speaker_labels import LabelConfig, SpeakerLabels
from svc.pipelines.live.transcription import StreamOptions, TranscriptionStream
from svc.pipelines.live.transcription_events import (
    AttributedSpeaker,
    FinalWord,
    PartialWords,
    SpeakerRevised,
    StreamWarning,
    TextRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)
from svc.pipelines.live.turn_voices import TurnListener
from svc.pipelines.live.voice_changes import VoiceChanges
from svc.pipelines.live.voice_desk import PromptDesk, VoiceTakers
from svc.profiles.index import VoiceIndex
from svc.profiles.sqlite import SqliteProfileStore
from svc.scoring.calibration import Calibration
from tests.pipelines.enrolled_voices import TENANT, LoudnessDetector
from tests.pipelines.live.label_voices import calibration
from tests.pipelines.live.toy_conversation import ToneSession
from tests.pipelines.toy_voices import HumEmbedder, hum, turn


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a stream may be made of beside the usual."""

    embedder: Embedder = field(default_factory=HumEmbedder)
    calibration: Calibration = field(default_factory=calibration)
    labels: LabelConfig | None = None
    profiles: LabelProfiles | None = None
    second_pass: SecondPassDesk | None = None
    takers: VoiceTakers | None = None  # else their stream waits for voices
    kept_s: float = 65.0
    tell: Tell = to_nobody
    late_frames: int = 0  # of the recogniser's tokens


def attributed_stream(parts: Parts | None = None, *, partials: bool = False) -> TranscriptionStream:
    parts, numbers = parts or Parts(), count()
    session = ToneSession(late_frames=parts.late_frames)
    listener = searching(parts.embedder, parts.calibration)
    follower = Attributor(
        listener=listener,
        voices=parts.takers.desk() if parts.takers else PromptDesk(listener),
        labels=SpeakerLabels(parts.calibration, parts.labels),
        sound=RecentSound(
            kept_s=parts.kept_s, frame_s=session.frame_s, delay_s=session.delay_s, active_probability=0.5
        ),
        profiles=parts.profiles,
        second_pass=parts.second_pass,
        tell=parts.tell,
        numbers=numbers,
    )
    options = StreamOptions(sample_rate_hz=16_000, partials=partials)
    return TranscriptionStream(session, follower, options=options, numbers=numbers)


def searching(embedder: Embedder, known: Calibration | None = None) -> TurnListener:
    """Also hears where the voice changes."""
    return TurnListener(embedder, changes=VoiceChanges(embedder, known or calibration()))


@contextmanager
def identifying(folder: Path) -> Iterator[Identifier]:
    """Tenant acme knows person 0 as anna, and as ben someone who never speaks."""
    store = SqliteProfileStore(folder / "profiles.sqlite3", key=None)
    index = VoiceIndex(store)
    extractor = VoiceprintExtractor(
        embedder=HumEmbedder(),
        speech_finder=SpeechFinder(LoudnessDetector(), VoiceActivityConfig()),
        min_net_speech_s=0.5,
    )
    enroller = Enroller(extractor=extractor, store=store, index=index, calibration=calibration(), max_utterances=1)
    for name, person in (("anna", 0), ("ben", 5)):
        store.create(TENANT, profile_id=name, consent_reference="form")
        enroller.enroll(TENANT, name, [hum([turn(0.5, 3.5, person)], duration_s=4.0, noise=1e-4)])
    yield Identifier(extractor=extractor, store=store, index=index, calibration=calibration())
    index.close()
    store.close()


@dataclass
class Account:
    """What a caller who believes every event knows at the end: the words of each turn and its one speaker."""

    starts: dict[int, TurnStarted] = field(default_factory=dict)
    words: dict[int, list[TranscribedWord]] = field(default_factory=dict)
    speakers: dict[int, AttributedSpeaker] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    warnings: list[StreamWarning] = field(default_factory=list)
    revised: list[int] = field(default_factory=list)

    def read(self, events: Sequence[TranscriptionEvent]) -> "Account":
        for event in events:
            match event:
                case TurnStarted(turn_id=turn_id):
                    self.starts[turn_id], self.words[turn_id] = event, []
                case FinalWord(word=word):
                    assert word.turn_id not in self.ended
                    self.words[word.turn_id].append(word)
                case TurnEnded(turn_id=turn_id):
                    self.ended.add(turn_id)
                    # Words told under another speaker need a revision: this alone does not change them.
                    if not self.words[turn_id]:
                        self.speakers[turn_id] = event.speaker
                case SpeakerRevised(turn_id=turn_id):
                    self.revised.append(turn_id)
                    self.words[turn_id] = [replace(word, speaker=event.speaker) for word in self.words[turn_id]]
                    self.speakers[turn_id] = event.speaker
                case TextRevised(turn_id=turn_id):
                    self.words[turn_id] = list(event.words)
                case StreamWarning():
                    self.warnings.append(event)
                case PartialWords():
                    pass
        return self

    def labels(self) -> list[tuple[str, ...]]:
        """Per turn, the labels its words have."""
        return [tuple(dict.fromkeys(word.speaker.label for word in words)) for _, words in sorted(self.words.items())]

    def texts(self) -> list[list[str]]:
        return [[word.text for word in words] for _, words in sorted(self.words.items())]
