"""Opening streams: side by side without touching each other, and every session given back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svc.errors import InvalidRequestError, OverloadedError
from svc.pipelines.identification import Identifier
from svc.pipelines.live.second_pass import SecondPass
from svc.pipelines.live.stream_opening import LiveParts, StreamOpener
from svc.pipelines.live.transcription import StreamOptions
from svc.scoring.policy import NAMED_POLICIES
from tests.pipelines.enrolled_voices import TENANT
from tests.pipelines.live.attributed_stream import Account, identifying
from tests.pipelines.live.label_voices import calibration
from tests.pipelines.live.test_second_pass import TALK, ready
from tests.pipelines.live.toy_conversation import Said, ToneSession, conversation
from tests.pipelines.toy_voices import HumEmbedder

OPTIONS = StreamOptions(sample_rate_hz=16_000, partials=False)
MIXTURES = [
    conversation([Said(person, 0, 0.3, 2.0, ("one",)), Said(person + 1, 1, 2.2, 4.0, ("two",))], duration_s=4.5)
    for person in range(3)
]


def opener_of(identifier: Identifier, second_pass: SecondPass | None = None) -> StreamOpener:
    parts = LiveParts(
        open_session=ToneSession,
        fingerprint="f" * 16,
        algorithmic_latency_s=0.1,
        embedder=HumEmbedder(),
        calibration=calibration(),
        identifier=identifier,
        second_pass=second_pass,
    )
    return StreamOpener(parts)


@pytest.fixture
def identifier(tmp_path: Path) -> Iterator[Identifier]:
    with identifying(tmp_path) as known:
        yield known


@pytest.fixture
def opener(identifier: Identifier) -> Iterator[StreamOpener]:
    opener = opener_of(identifier)
    yield opener
    opener.close()


def test_streams_side_by_side_are_as_if_alone(opener: StreamOpener) -> None:
    alone = [Account().read([*(one := opener.open(OPTIONS)).push(mixture), *one.close()]) for mixture in MIXTURES]
    streams = [opener.open(OPTIONS) for _ in MIXTURES]
    together = [Account() for _ in MIXTURES]
    for pieces in zip(*(np.split(mixture, 30) for mixture in MIXTURES), strict=True):
        for stream, account, piece in zip(streams, together, pieces, strict=True):
            account.read(stream.push(piece))
    for stream, account in zip(streams, together, strict=True):
        account.read(stream.close())
    # When a voice came, and so when a turn was revised, is chance.
    assert [(each.labels(), each.texts(), each.ended) for each in together] == [
        (each.labels(), each.texts(), each.ended) for each in alone
    ]


def test_a_second_pass_that_is_switched_off_is_refused_and_opens_no_session(opener: StreamOpener) -> None:
    def fail() -> ToneSession:
        raise OverloadedError("no session")

    full = StreamOpener(replace(opener.parts, open_session=fail))
    with pytest.raises(InvalidRequestError, match="second_pass"):
        full.open(StreamOptions(sample_rate_hz=16_000, second_pass=True))


def test_a_session_is_closed_when_its_stream_cannot_be_made(opener: StreamOpener) -> None:
    closed: list[ToneSession] = []

    class Closing(ToneSession):
        def close(self) -> None:
            closed.append(self)

    broken = StreamOpener(replace(opener.parts, open_session=Closing))
    with pytest.raises(ValueError, match="negative"):
        broken.open(replace(OPTIONS, sample_rate_hz=-1))
    assert len(closed) == 1


def test_options_reach_the_stream(identifier: Identifier) -> None:
    worker = SecondPass(ready())
    everything = StreamOptions(
        sample_rate_hz=16_000, tenant=TENANT, policy=NAMED_POLICIES["balanced"], second_pass=True
    )
    stream = opener_of(identifier, worker).open(everything)
    account = Account().read(stream.push(conversation(TALK, duration_s=4.5)) + stream.close())
    worker.close()
    assert account.texts() == [["500"], ["1000"]]
    assert [words[0].speaker.profile_id for words in account.words.values()] == ["anna", None]
