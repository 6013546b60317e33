"""Arguments of the client's methods, turned into the contract's requests. Shared by Client and AsyncClient."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from numbers import Integral
from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from equivox.audio import AudioLike, Container, Pcm, to_audio
from equivox.results import Band, Embedding
from equivox.v1 import audio_pb2, diarization_pb2, embeddings_pb2, verification_pb2


@dataclass(frozen=True, slots=True)
class ProfileId:
    """An enrolled profile as one side of a comparison; a plain string would be read as a path."""

    profile_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The caller's own prior and costs.

    Accepts when llr >= log(cost_false_accept (1 - prior) / (cost_false_reject prior)). `inconclusive_band` is
    the half-width around that threshold, in nats, that is answered INCONCLUSIVE; 0 = none.
    """

    prior: float
    cost_false_accept: float
    cost_false_reject: float
    inconclusive_band: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizeOptions:
    """What is known about a recording and what to return; 0 = unknown or no bound."""

    num_speakers: int = 0
    min_speakers: int = 0
    max_speakers: int = 0
    with_embeddings: bool = False
    identify: bool = False
    policy: "PolicyLike" = None


VoiceLike = AudioLike | ProfileId | Embedding
"""One side of a comparison: audio in any form, an enrolled profile, or an embedding kept from an earlier call."""

PolicyLike = str | Costs | None
"""A policy the server names (balanced, strict, lenient), own costs, or None for the server's default."""

_BANDS = {Band.TELEPHONE: audio_pb2.BAND_TELEPHONE, Band.WIDE: audio_pb2.BAND_WIDE, None: audio_pb2.BAND_UNSPECIFIED}


def to_voice(voice: VoiceLike) -> verification_pb2.Voice:
    """The message for one side of a comparison."""
    match voice:
        case ProfileId():
            return verification_pb2.Voice(profile_id=voice.profile_id)
        case Embedding():
            return verification_pb2.Voice(embedding=to_embedding(voice))
    return verification_pb2.Voice(audio=to_audio(voice))


def to_embedding(embedding: Embedding) -> embeddings_pb2.Embedding:
    """The message for an embedding the caller kept."""
    return embeddings_pb2.Embedding(
        values=embedding.values,
        model_fingerprint=embedding.model_fingerprint,
        net_speech_s=embedding.net_speech_s,
        band=_BANDS[embedding.band],
        snr_db=embedding.snr_db,
        clipped_share=embedding.clipped_share,
    )


def to_policy(policy: PolicyLike) -> verification_pb2.Policy | None:
    """The message for a policy; None leaves the choice to the server."""
    if policy is None:
        return None
    if isinstance(policy, str):
        return verification_pb2.Policy(name=policy)
    costs = verification_pb2.CostPolicy(
        prior=policy.prior,
        cost_false_accept=policy.cost_false_accept,
        cost_false_reject=policy.cost_false_reject,
        inconclusive_band=policy.inconclusive_band,
    )
    return verification_pb2.Policy(costs=costs)


def to_diarize_request(audio: AudioLike, options: DiarizeOptions) -> diarization_pb2.DiarizeRequest:
    """The request for a recording and what is known about it."""
    return diarization_pb2.DiarizeRequest(
        audio=to_audio(audio),
        num_speakers=options.num_speakers,
        min_speakers=options.min_speakers,
        max_speakers=options.max_speakers,
        with_embeddings=options.with_embeddings,
        identify=options.identify,
        policy=to_policy(options.policy),
    )


def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """The message for a moment. ValueError for one without a time zone: it would be read as another hour elsewhere."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("expire_time needs a time zone: datetime(2030, 1, 1, tzinfo=UTC)")
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def to_utterances(utterances: AudioLike | Sequence[AudioLike]) -> list[audio_pb2.Audio]:
    """One clip or several; a pair (array, rate) is one clip."""
    match utterances:
        case str() | bytes() | bytearray() | memoryview() | os.PathLike() | Pcm() | Container() | (_, Integral()):
            return [to_audio(cast(AudioLike, utterances))]
    return [to_audio(clip) for clip in cast("Sequence[AudioLike]", utterances)]
