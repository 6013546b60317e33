"""Word pieces: every word of letters can be spelled and read back, and frequent words are pieces of their own."""

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.units import UNKNOWN, WORD_START, Units
from tests.training.data.talkers import WORDS, utterance
from training.data.units import (
    LETTERS,
    UnitEncoder,
    learn_pieces,
    main,
    read_units,
    whole_words,
    word_counts,
    write_units,
)
from training.data.utterances import write_utterances

COUNTS = Counter({"call": 300, "stella": 300, "called": 3, "calling": 2, "telling": 1, "wendy's": 1})
ENCODER = learn_pieces(COUNTS, 48)


@given(st.lists(st.text(LETTERS, min_size=1, max_size=12), max_size=5))
def test_any_word_of_letters_is_spelled_and_read_back(words: list[str]) -> None:
    ids = [token_id for word in words for token_id in ENCODER.encode(word)]
    assert ENCODER.units.text(ids) == " ".join(words)


@given(st.text("abc", min_size=1, max_size=7), st.data())
def test_the_spelling_is_the_most_probable_there_is(word: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6, unique=True))
    units = Units((WORD_START, *pieces))
    scores = (-1.0, *data.draw(st.lists(st.floats(-9, 0), min_size=len(pieces), max_size=len(pieces))))
    score_of = dict(zip(units.pieces, scores, strict=True))
    spelled = UnitEncoder(units=units, scores=scores).encode(word)
    ways = [way for way in every_cut(word) if set(way) <= score_of.keys()]
    if not ways:
        assert spelled == [UNKNOWN]
        return
    best = max(sum(score_of[piece] for piece in way) for way in ways)
    assert spelled[0] == units.ids()[WORD_START]
    assert sum(score_of[units.piece(token_id)] for token_id in spelled[1:]) == pytest.approx(best)


def every_cut(word: str) -> list[list[str]]:
    places = range(1, len(word))
    cuts = itertools.chain.from_iterable(itertools.combinations(places, count) for count in range(len(word)))
    return [[word[a:b] for a, b in itertools.pairwise((0, *cut, len(word)))] for cut in cuts]


def test_frequent_words_are_pieces_and_rare_ones_share_theirs() -> None:
    assert len(ENCODER.encode("call")) == len(ENCODER.encode("stella")) == 1
    assert len(ENCODER.encode("wendy's")) > 1


def test_the_size_is_that_of_the_whole_vocabulary() -> None:
    assert len(learn_pieces(COUNTS, 34).units) == 34
    assert len(ENCODER.units) <= 48
    with pytest.raises(InvalidRequestError, match="cannot learn 10 units"):
        learn_pieces(COUNTS, 10)


def test_the_same_words_give_the_same_pieces() -> None:
    assert learn_pieces(COUNTS, 48) == ENCODER


def test_whole_words_are_single_units_and_others_unknown() -> None:
    encoder = whole_words(COUNTS)
    assert [encoder.encode(word)[0] for word in ("call", "stella", "called")] == [4, 5, 6]
    assert encoder.encode("telephone") == encoder.encode("<unk>") == [UNKNOWN]


def test_without_scores_the_fewest_pieces_win() -> None:
    units = Units((WORD_START, "a", "b", "ab", f"{WORD_START}a"))
    assert UnitEncoder(units=units).encode("ab") in ([4, 7], [8, 6])


def test_scores_must_be_as_many_as_pieces() -> None:
    with pytest.raises(ValueError, match="2 pieces but 1 scores"):
        UnitEncoder(units=Units(("a", "b")), scores=(0.0,))


def test_written_units_read_back_spell_alike(tmp_path: Path) -> None:
    write_units(tmp_path / "units.txt", ENCODER)
    read = read_units(tmp_path / "units.txt")
    assert read.units == ENCODER.units
    assert [read.encode(word) for word in COUNTS] == [ENCODER.encode(word) for word in COUNTS]


@pytest.mark.parametrize(
    ("text", "fault"), [("", "no units"), ("a\t-1\nb\n", ":2: want a piece"), ("a\t-1\na\t-2\n", "distinct")]
)
def test_a_broken_file_of_units_names_its_fault(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "units.txt").write_text(text)
    with pytest.raises(InvalidRequestError, match=fault):
        read_units(tmp_path / "units.txt")


def test_only_the_training_part_is_counted() -> None:
    counts = word_counts([utterance("a", 0)])
    assert counts == Counter(WORDS)


def test_the_command_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_utterances(tmp_path / "utterances.jsonl", [utterance("a", 0), utterance("b", 1, domain="digits")])
    arguments = ["--utterances", str(tmp_path / "utterances.jsonl"), "--out", str(tmp_path / "units.txt")]
    main([*arguments, "--size", "40"])
    assert "40 units for 8 words" in capsys.readouterr().out
    assert len(read_units(tmp_path / "units.txt").units) == 40
    with pytest.raises(SystemExit, match="no training words of telephone"):
        main([*arguments, "--domains", "telephone"])
