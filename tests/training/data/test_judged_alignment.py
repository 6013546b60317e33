"""What is recorded of the talkers who judge is what was aligned, and draws the recorded conversations anywhere."""

from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from training.data.conversation_sets import ConversationSet
from training.data.judged_alignment import record, recorded_outcomes, recorded_readings
from training.data.manifest import Clip
from training.data.read_recordings import Outcome, clips_to_read
from training.data.utterances import TimedWord, Utterance

ALIGNED = ("saa", "wuw", "alphanum")


def clip(text: str = "call her and ask her", *, name: str = "1", split: str = "dev", corpus: str = "wuw") -> Clip:
    return Clip(
        path=f"{corpus}/{name}.wav",
        corpus=corpus,
        split=split,
        speaker="wuw:a",
        session="",
        sex="",
        country="",
        language="",
        age=None,
        channel="",
        sample_rate_hz=16_000,
        duration_s=3.0,
        text=text,
    )


def utterance(of: Clip, number: int, *words: str, start_s: float) -> Utterance:
    timed = tuple(TimedWord(word, 0.1 + 0.2 * place, 0.3 + 0.2 * place) for place, word in enumerate(words))
    return Utterance(
        utterance_id=f"{of.path.removesuffix('.wav')}#{number}",
        path=of.path,
        start_s=start_s,
        end_s=start_s + 0.2 * len(words) + 0.2,
        speaker=of.speaker,
        sex=of.sex,
        domain="telephone",
        split=of.split,
        words=timed,
    )


def outcome(of: Clip) -> Outcome:
    """All but the third word was believed."""
    kept = (utterance(of, 0, "call", "her", start_s=0.255), utterance(of, 1, "ask", "her", start_s=1.5))
    return Outcome(path=of.path, corpus=of.corpus, reasons=("a word too long",), utterances=kept)


def lines(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {path: found.line() for path, found in outcomes.items()}


def test_what_is_recorded_comes_back_as_it_was(tmp_path: Path) -> None:
    judged = clip()
    record([judged], [outcome(judged)], tmp_path / "record.jsonl")
    assert lines(recorded_outcomes([judged], tmp_path / "record.jsonl")) == {judged.path: outcome(judged).line()}


def test_no_words_are_in_the_record(tmp_path: Path) -> None:
    record([clip()], [outcome(clip())], tmp_path / "record.jsonl")
    assert "her" not in (tmp_path / "record.jsonl").read_text()


def test_train_talkers_and_corpora_any_machine_reads_alike_are_not_recorded(tmp_path: Path) -> None:
    others = [clip(split="train"), clip("one", corpus="fsdd")]
    record(others, [outcome(other) for other in others], tmp_path / "record.jsonl")
    assert recorded_readings(tmp_path / "record.jsonl") == {}


def test_recording_some_leaves_the_others(tmp_path: Path) -> None:
    first, second = clip(name="1"), clip(name="2")
    for judged in (second, first):
        record([judged], [outcome(judged)], tmp_path / "record.jsonl")
    assert list(recorded_readings(tmp_path / "record.jsonl")) == [first.path, second.path]


def test_a_text_that_is_shorter_than_the_one_read_is_refused(tmp_path: Path) -> None:
    record([clip()], [outcome(clip())], tmp_path / "record.jsonl")
    with pytest.raises(InvalidRequestError, match=r"wuw/1\.wav has another text"):
        recorded_outcomes([clip("call her")], tmp_path / "record.jsonl")


def test_words_that_are_not_in_the_text_are_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wuw/1#1 is not in the text"):
        record([clip("call her")], [outcome(clip())], tmp_path / "record.jsonl")
    assert not (tmp_path / "record.jsonl").exists()


def test_every_recording_of_those_who_judge_is_recorded(data_root: Path) -> None:
    judged = [found for found in clips_to_read(data_root, ALIGNED, None) if found.split != "train"]
    assert set(recorded_outcomes(judged)) == {found.path for found in judged} == set(recorded_readings())


@pytest.fixture(scope="module")
def recorded(data_root: Path) -> list[Utterance]:
    outcomes = recorded_outcomes(clips_to_read(data_root, ALIGNED, None))
    return [kept for found in outcomes.values() for kept in found.utterances]


@pytest.mark.parametrize("domain", ["phrases", "telephone"])
@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_recorded_words_draw_the_recorded_conversations(
    recorded: list[Utterance], data_root: Path, tmp_path: Path, split: str, domain: str
) -> None:
    drawn = ConversationSet(recorded, split, root=data_root, folder=tmp_path).checked(domain, "OV20")
    assert len(drawn) == 20
