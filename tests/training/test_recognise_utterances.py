"""Utterances joined into recordings of one talker, heard by streams that know or know nothing."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.pipelines.live.transcription_events import (
    AttributedSpeaker,
    FinalWord,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)
from svc.types import MODEL_RATE_HZ, FloatArray
from tests.training.data.talkers import TonesInMemory, talkers
from training.data.transcripts import Transcript
from training.data.utterances import Utterance, write_utterances
from training.recognise_utterances import (
    PAUSE_S,
    RECORDING_S,
    TalkerRecording,
    main,
    material,
    recognise,
    recordings_of,
)

SPOKEN = talkers(3)
SESSIONS = {spoken.path: str(spoken.path.endswith("_1.wav")) for spoken in SPOKEN}


def place(spoken: Utterance) -> tuple[str, str, str]:
    return spoken.speaker, spoken.domain, SESSIONS[spoken.path]


class KnowingStream:
    """Tells what is in the recordings it knows by their length, once it has heard one whole."""

    def __init__(self, known: dict[int, Transcript]) -> None:
        self.known = known
        self.num_samples = 0

    def push(self, samples: FloatArray) -> Sequence[TranscriptionEvent]:
        self.num_samples += len(samples)
        return []

    def close(self) -> Sequence[TranscriptionEvent]:
        events: list[TranscriptionEvent] = []
        for number, turn in enumerate(self.known.get(self.num_samples, ())):
            events.append(TurnStarted(turn_id=number, channel=0, start_s=turn.start_s))
            for word in turn.words:
                said = TranscribedWord(
                    turn_id=number, text=word.text, start_s=word.start_s, end_s=word.end_s, channel=0
                )
                events.append(FinalWord(word=said))
            speaker = AttributedSpeaker(label="S0")
            events.append(TurnEnded(turn_id=number, end_s=turn.end_s, forced=False, speaker=speaker))
        return events


def test_domains_that_nobody_speaks_are_told_beside_those_there_are(tmp_path: Path) -> None:
    write_utterances(tmp_path / "utterances.jsonl", SPOKEN)
    asked = Namespace(utterances=tmp_path / "utterances.jsonl", split=["train"], domains=["phrase", "digit"])
    with pytest.raises(InvalidRequestError, match="no utterance of phrase, digit in train; there are digits, phrases"):
        material(asked)


def test_splits_that_nobody_is_of_are_told_beside_those_there_are(tmp_path: Path) -> None:
    write_utterances(tmp_path / "utterances.jsonl", SPOKEN)
    asked = Namespace(utterances=tmp_path / "utterances.jsonl", split=None, domains=["phrases"])
    with pytest.raises(InvalidRequestError, match="no utterance is of test; there are train"):
        material(asked)


def test_a_configuration_that_cannot_be_read_ends_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("shoes = 1\n")
    with pytest.raises(SystemExit, match=r"error: .*unknown key shoes"):
        main(["--utterances", "u.jsonl", "--out", str(tmp_path / "e.jsonl"), "--config", f"{tmp_path}/server.toml"])


def test_every_utterance_is_in_one_recording_of_its_talker_domain_and_session() -> None:
    recordings = recordings_of(reversed(SPOKEN), SESSIONS)
    joined = [spoken.utterance_id for recording in recordings for spoken in recording.utterances]
    assert sorted(joined) == sorted(spoken.utterance_id for spoken in SPOKEN)
    assert all(len({place(spoken) for spoken in recording.utterances}) == 1 for recording in recordings)
    assert max(sum(spoken.duration_s for spoken in one.utterances) for one in recordings) <= RECORDING_S


def test_speech_lies_where_the_reference_says_and_silence_elsewhere() -> None:
    recording = recordings_of(SPOKEN, SESSIONS)[0]
    sound = recording.samples(TonesInMemory(SPOKEN))
    assert len(sound) == round(recording.duration_s * MODEL_RATE_HZ)
    loud = np.zeros(len(sound), bool)
    for turn in recording.reference:
        loud[round(turn.start_s * MODEL_RATE_HZ) : round(turn.end_s * MODEL_RATE_HZ)] = True
    assert not sound[~loud].any()
    assert sound[: round(PAUSE_S * MODEL_RATE_HZ)].max() == 0 < sound[loud].max()


@given(st.floats(1, 30), st.integers(0, 9))
def test_what_is_drawn_for_more_speech_holds_what_is_drawn_for_less(most_s: float, seed: int) -> None:
    fewer = recordings_of(SPOKEN, SESSIONS, most_s=most_s, seed=seed)
    more = recordings_of(SPOKEN, SESSIONS, most_s=most_s * 2, seed=seed)
    assert {one.name for one in fewer} <= {one.name for one in more}
    assert {one.utterances[0].speaker for one in fewer} == {spoken.speaker for spoken in SPOKEN}


def test_a_stream_that_knows_makes_no_errors_and_a_deaf_one_deletes_all() -> None:
    # Lengths must tell recordings apart.
    spoken = [
        replace(one, end_s=one.end_s + number / 100, utterance_id=str(number)) for number, one in enumerate(SPOKEN[:4])
    ]
    recordings = [TalkerRecording(utterances=(one,)) for one in spoken]
    speech = TonesInMemory(spoken)
    known = {len(one.samples(speech)): one.reference for one in recordings}
    for knows, deletions in ((known, 0), ({}, 8)):
        heard = list(recognise(recordings, speech, partial(KnowingStream, knows), transcriber="m", streams=2))
        assert [errors.utterance_id for (errors,) in heard] == ["0", "1", "2", "3"]
        assert {(errors.errors.errors, errors.errors.words) for (errors,) in heard} == {(deletions, 8)}
