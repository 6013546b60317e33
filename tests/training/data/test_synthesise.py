"""Synthesised digits: what is drawn, written and read again by training, with a synthesiser of noise bursts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from tests.training.data.test_pauses import bursts
from tests.training.toy_transcriber_run import RECIPE
from training.data.manifest import DEV, TRAIN
from training.data.speech_store import SpeechStore
from training.data.spoken_text import DIGITS
from training.data.synthesise import NumberConfig, draw_number, main, synthesise
from training.data.synthesisers import Manner, Spoken, Synthesiser, Voice
from training.data.utterances import Utterance, read_utterances, write_utterances
from training.transcriber_card import data_of
from training.transcriber_data import read_synthesised


class Bursts:
    """Says each word as a burst of 0.3 s, 0.1 s after the last one and 0.5 s after a pause."""

    package = "none"

    def __init__(self, names: Sequence[str] = ("low", "high", "hoarse")) -> None:
        self.names = names

    def voices(self) -> list[Voice]:
        return [Voice(name=name, sex="") for name in self.names]

    def speak(self, groups: Sequence[Sequence[str]], voice: str, manner: Manner) -> Spoken:
        del voice, manner
        starts_s, at_s = list[float](), 0.2
        for group in groups:
            starts_s += [at_s + 0.4 * place for place in range(len(group))]
            at_s = starts_s[-1] + 0.8
        words = [(round(start_s, 2), round(start_s + 0.3, 2)) for start_s in starts_s]
        # Edges may lie anywhere in the pause before a word.
        edges_s = (0.0, *(start_s - 0.04 for start_s, _ in words[1:]), at_s)
        return Spoken(bursts(*words, duration_s=at_s), edges_s)


class Broken(Bursts):
    def speak(self, groups: Sequence[Sequence[str]], voice: str, manner: Manner) -> Spoken:
        raise InvalidRequestError("broke")


def made(out: Path, seed: int = 0) -> list[Utterance]:
    synthesisers: dict[str, Synthesiser] = {"bursts": Bursts(), "few": Bursts(["only"])}
    return synthesise(out, synthesisers, seed=seed, voices=3, strings=4)


@given(st.integers(0, 1 << 32))
def test_numbers_have_as_many_digits_and_groups_as_asked_for(seed: int) -> None:
    groups = draw_number(NumberConfig(), np.random.default_rng(seed))
    assert 3 <= sum(map(len, groups)) <= 10
    assert all(1 <= len(group) <= 4 for group in groups)
    assert all(word in DIGITS for group in groups for word in group)


def test_every_digit_is_written_with_the_time_it_is_heard_at(tmp_path: Path) -> None:
    utterances = made(tmp_path / "out")
    written = read_utterances(tmp_path / "out/utterances.jsonl")
    assert [spoken.text for spoken in written] == [spoken.text for spoken in utterances]
    for spoken in written:
        lengths_s = [word.end_s - word.start_s for word in spoken.words]
        np.testing.assert_allclose(lengths_s, 0.3, atol=0.021)


def test_recordings_are_named_by_the_digits_in_them(tmp_path: Path) -> None:
    said: dict[str, str] = defaultdict(str)
    for spoken in made(tmp_path / "out"):
        said[spoken.path] += "".join(str(DIGITS.index(word.text)) for word in spoken.words)
    assert len(said) == 12
    assert all(digits == Path(path).stem[5:].replace("-", "") for path, digits in said.items())


def test_every_voice_is_a_talker_and_the_few_of_a_synthesiser_come_first(tmp_path: Path) -> None:
    speakers = {spoken.speaker for spoken in made(tmp_path / "out")}
    assert len(speakers) == 3
    assert "few:only" in speakers


def test_the_same_seed_makes_the_same_files_and_another_others(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        made(tmp_path / name, seed)
    one, two, three = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two", "three")
    )
    assert one == two
    assert one.keys() != three.keys()


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="broke"):
        synthesise(tmp_path / "out", {"broken": Broken()})
    assert not any(tmp_path.iterdir())


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="there already"):
        made(tmp_path)


def test_training_finds_the_recordings_wherever_its_own_data_lies(tmp_path: Path) -> None:
    made(tmp_path / "out")
    utterances = read_synthesised(tmp_path / "out")
    store = SpeechStore.open(utterances, root=tmp_path / "elsewhere", folder=tmp_path / "cache")
    assert {spoken.split for spoken in utterances} == {TRAIN}
    assert all(np.any(store.read(spoken.utterance_id, 0.0, spoken.duration_s)) for spoken in utterances)


def test_synthetic_speech_of_any_other_split_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "out/utterances.jsonl"
    made(tmp_path / "out")
    first, *rest = read_utterances(file)
    write_utterances(file, [replace(first, split=DEV), *rest])
    with pytest.raises(InvalidRequestError, match="trained on only"):
        read_synthesised(tmp_path / "out")


def test_the_card_of_a_model_names_the_synthesisers_it_learnt_from(tmp_path: Path) -> None:
    made(tmp_path / "out")
    assert "the synthesisers bursts, few, for training alone" in data_of(RECIPE, tmp_path / "out")
    assert data_of(RECIPE).endswith("no synthetic speech")


@pytest.mark.parametrize(
    ("option", "told"),
    [("--synthesisers=flite,hal", "there are espeak-ng, flite, festival"), ("--voices=0", "must be positive")],
)
def test_options_that_make_no_sense_are_told_before_anything_is_spoken(
    option: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"--out={tmp_path / 'out'}", option])
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
