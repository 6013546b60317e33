"""Between the messages of a live transcription and the pipeline's options and events."""

from equivox.v1 import transcription_pb2 as pb
from svc.audio.chunks import ChunkDecoder
from svc.errors import InvalidRequestError
from svc.pipelines.live.transcription import StreamOptions
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
from svc.rpc.convert import PCM_ENCODINGS, at_field, to_policy
from svc.scoring.policy import Policies

DRAINING = pb.TranscribeResponse(
    warning=pb.StreamWarning(
        reason="DRAINING", message="the server is shutting down: open turns are closed; open another stream to go on"
    )
)


def to_decoder(config: pb.TranscribeConfig) -> ChunkDecoder:
    """The decoder of a stream's audio. Raises what a config alone shows to be wrong, naming the field."""
    with at_field("config"):
        if config.encoding not in PCM_ENCODINGS:
            raise InvalidRequestError(
                f"encoding {config.encoding} is not one of S16LE, F32LE, MULAW, ALAW", field="encoding"
            )
        return ChunkDecoder(
            encoding=PCM_ENCODINGS[config.encoding],
            sample_rate_hz=config.sample_rate_hz,
            num_channels=config.num_channels or 1,
            channel=config.channel if config.HasField("channel") else None,
        )


def to_options(config: pb.TranscribeConfig, *, tenant: str, policies: Policies) -> StreamOptions:
    """What the caller wants of the stream."""
    with at_field("config"):
        policy = to_policy(config.policy, policies) if config.identify else None
    return StreamOptions(
        sample_rate_hz=config.sample_rate_hz,
        tenant=tenant,
        partials=config.partials,
        policy=policy,
        second_pass=config.second_pass,
    )


def from_event(event: TranscriptionEvent) -> pb.TranscribeResponse:
    match event:
        case TurnStarted():
            start = pb.TurnStart(
                turn_id=event.turn_id, channel=event.channel, start_s=event.start_s, cut_off=event.cut_off
            )
            return pb.TranscribeResponse(turn_start=start)
        case PartialWords():
            words = [from_word(word) for word in event.words]
            return pb.TranscribeResponse(partial=pb.PartialWords(turn_id=event.turn_id, words=words))
        case FinalWord():
            return pb.TranscribeResponse(word=from_word(event.word))
        case TurnEnded():
            end = pb.TurnEnd(
                turn_id=event.turn_id, end_s=event.end_s, speaker=from_speaker(event.speaker), forced=event.forced
            )
            return pb.TranscribeResponse(turn_end=end)
        case SpeakerRevised():
            revision = pb.SpeakerRevision(turn_id=event.turn_id, speaker=from_speaker(event.speaker))
            return pb.TranscribeResponse(speaker_revision=revision)
        case TextRevised():
            words = [from_word(word) for word in event.words]
            text = pb.TextRevision(turn_id=event.turn_id, words=words, end_s=event.end_s)
            return pb.TranscribeResponse(text_revision=text)
        case StreamWarning():
            return pb.TranscribeResponse(warning=pb.StreamWarning(reason=event.reason.name, message=event.message))


def from_word(word: TranscribedWord) -> pb.Word:
    return pb.Word(
        turn_id=word.turn_id,
        text=word.text,
        start_s=word.start_s,
        end_s=word.end_s,
        channel=word.channel,
        speaker=from_speaker(word.speaker),
    )


def from_speaker(speaker: AttributedSpeaker) -> pb.AttributedSpeaker:
    return pb.AttributedSpeaker(label=speaker.label, profile_id=speaker.profile_id, confidence=speaker.confidence)
