"""Diarization's servicer: nothing more is done for a recording that nobody waits for."""

from collections.abc import Iterator
from contextvars import copy_context
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from equivox.v1.diarization_pb2 import DiarizeRequest, DiarizeResponse
from equivox.v1.verification_pb2 import Policy
from svc.backends.call_scope import CallScope, current_call
from svc.config import AudioConfig
from svc.errors import CallAbandonedError, PolicyUnknownError
from svc.rpc.diarization import DiarizationServicer
from svc.rpc.offload import Offload
from svc.types import FloatArray
from tests.rpc.speech import RATE_HZ, audio_of
from tests.rpc.tiny_application import EnergySegmenter, TinyApplication, tiny_config

# Windows start every 2.5 s and come in batches of 8. Nobody talks, so that no embedder asks who waits, either.
SILENCE = DiarizeRequest(audio=audio_of(np.zeros(90 * RATE_HZ, np.float32)))


class CountingSegmenter(EnergySegmenter):
    """The caller whose scope is `leaving` leaves at its first batch."""

    num_batches = 0
    leaving: CallScope | None = None

    def activities(self, windows: FloatArray) -> FloatArray:
        self.num_batches += 1
        if self.leaving:
            self.leaving.cancelled.set()
        return super().activities(windows)


class CountingApplication(TinyApplication):
    @cached_property
    def segmenter(self) -> CountingSegmenter:
        return CountingSegmenter()


@pytest.fixture
def application(tmp_path: Path) -> Iterator[CountingApplication]:
    application = CountingApplication(tiny_config(tmp_path, audio=AudioConfig()))
    yield application
    application.close()


def diarize(application: CountingApplication, scope: CallScope, request: DiarizeRequest = SILENCE) -> DiarizeResponse:
    """As a thread that works for the call."""
    servicer = DiarizationServicer(application, Offload(light_threads=1, heavy_threads=1))
    context = copy_context()
    context.run(current_call.set, scope)
    return context.run(servicer.diarize, request)


def test_a_recording_that_is_waited_for_is_heard_to_its_end(application: CountingApplication) -> None:
    assert not diarize(application, CallScope()).turns
    assert application.segmenter.num_batches == 5


def test_a_recording_that_nobody_waits_for_is_left_after_the_batch_under_way(application: CountingApplication) -> None:
    application.segmenter.leaving = scope = CallScope()
    with pytest.raises(CallAbandonedError):
        diarize(application, scope)
    assert application.segmenter.num_batches == 1


def test_one_that_nobody_waits_for_any_more_is_not_even_decoded(application: CountingApplication) -> None:
    scope = CallScope()
    scope.cancelled.set()
    with pytest.raises(CallAbandonedError):
        diarize(application, scope)
    assert application.segmenter.num_batches == 0


def test_a_policy_is_looked_at_only_where_speakers_are_identified(application: CountingApplication) -> None:
    unknown = Policy(name="whatever")
    assert not diarize(application, CallScope(), DiarizeRequest(audio=SILENCE.audio, policy=unknown)).turns
    with pytest.raises(PolicyUnknownError):
        diarize(application, CallScope(), DiarizeRequest(audio=SILENCE.audio, policy=unknown, identify=True))
