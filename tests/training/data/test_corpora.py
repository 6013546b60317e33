"""The standard corpora in their published layouts, made small; a broken file is named, and its line."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from svc.errors import InvalidRequestError
from tests.training.data.toy_aligner import EvenAligner
from training.data import corpus_references
from training.data.align import align
from training.data.corpora import (
    TranscribedRecording,
    read_ami_words,
    read_libricss,
    read_librispeech,
    read_librispeechmix,
)
from training.data.transcripts import TranscriptTurn, read_transcripts

MIXTURE = {
    "id": "dev-clean-2mix/dev-clean-2mix-0000",
    "mixed_wav": "dev-clean-2mix/dev-clean-2mix-0000.wav",
    "texts": ["GOOD EVENING", "THAT'S ALL OF IT"],
    "wavs": ["a.wav", "b.wav"],
    "delays": [0.0, 1.5],
    "speakers": ["1272", "6295"],
    "durations": [2.0, 3.0],
    "genders": ["m", "f"],
}
MEETING_INFO = """start_time\tend_time\tspeaker\tutterance_id\ttranscription
2.0\t4.0\t1089\t1089-134686-0000\tHE HOPED
0.5\t2.5\t121\t121-121726-0001\tHARANGUE THE TIRESOME PRODUCT
"""
AMI_WORDS = """<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>
<nite:root nite:id="ES2002a.A.words" xmlns:nite="http://nite.sourceforge.net/">
<w nite:id="w0" starttime="1.0" endtime="1.25">Okay</w>
<w nite:id="w1" starttime="1.25" endtime="1.25" punc="true">.</w>
<vocalsound nite:id="v0" starttime="1.3" endtime="1.6" type="laugh"/>
<w nite:id="w2" starttime="1.5" endtime="2.0">it's</w>
<w nite:id="w3">lost</w>
<w nite:id="w4" starttime="9.0" endtime="9.5">twenty-two</w>
</nite:root>
"""


def text_of(turn: TranscriptTurn) -> str:
    return " ".join(word.text for word in turn.words)


def brief(recording: TranscribedRecording) -> list[tuple[str, float, float, str]]:
    return [(turn.speaker, turn.start_s, turn.end_s, text_of(turn)) for turn in recording.transcript]


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    root = tmp_path / "LibriSpeech"
    chapter = root / "dev-clean/84/121123"
    chapter.mkdir(parents=True)
    (root / "SPEAKERS.TXT").write_text("; header\n84   | F | dev-clean | 8.02 | Christie Nowak\n")
    (chapter / "84-121123.trans.txt").write_text("84-121123-0000 GO ON\n84-121123-0001 BUT IN LESS THAN\n")
    time_s = np.arange(24_000) / 16_000
    tone = 0.1 * np.sin(2 * np.pi * 200 * time_s) * ((time_s > 0.2) & (time_s < 1.3))
    for number in range(2):
        soundfile.write(chapter / f"84-121123-000{number}.flac", tone, 16_000)
    return root


def meetings(tmp_path: Path, text: str = MEETING_INFO) -> Path:
    folder = tmp_path / "OV10/overlap_ratio_10.0_session0/transcription"
    folder.mkdir(parents=True)
    (folder / "meeting_info.txt").write_text(text)
    return tmp_path


def ami(tmp_path: Path, text: str = AMI_WORDS) -> Path:
    (tmp_path / "words").mkdir()
    (tmp_path / "words/ES2002a.A.words.xml").write_text(text, encoding="ISO-8859-1")
    return tmp_path


def test_librispeech_gives_a_clip_a_line(librispeech: Path) -> None:
    first, second = read_librispeech(librispeech)
    assert (first.path, first.text) == ("dev-clean/84/121123/84-121123-0000.flac", "GO ON")
    assert (first.split, first.speaker, first.sex) == ("dev", "librispeech:84", "female")
    assert (second.sample_rate_hz, second.duration_s) == (16_000, 1.5)


def test_librispeech_becomes_utterances(librispeech: Path, tmp_path: Path) -> None:
    align(read_librispeech(librispeech), librispeech, tmp_path / "out", make_aligner=EvenAligner)
    lines = [json.loads(line) for line in (tmp_path / "out/utterances.jsonl").read_text().splitlines()]
    assert [(line["domain"], len(line["words"])) for line in lines] == [("read", 2), ("read", 4)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [("84-121123-0007 LOST", "84-121123-0007 has no audio"), ("84-121123-0001", "84-121123-0001 has no text")],
)
def test_a_broken_line_of_librispeech_is_named(librispeech: Path, line: str, fault: str) -> None:
    file = librispeech / "dev-clean/84/121123/84-121123.trans.txt"
    file.write_text(f"84-121123-0000 GO ON\n{line}\n")
    with pytest.raises(InvalidRequestError, match=f"84-121123.trans.txt:2: .*{fault}"):
        read_librispeech(librispeech)


def test_a_mixture_places_each_talker_at_its_delay(tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text(json.dumps(MIXTURE) + "\n\n")
    (recording,) = read_librispeechmix(tmp_path / "list.jsonl", tmp_path / "data")
    assert brief(recording) == [("1272", 0.0, 2.0, "good evening"), ("6295", 1.5, 4.5, "that's all of it")]
    assert recording.path == tmp_path / "data/dev-clean-2mix/dev-clean-2mix-0000.wav"


@pytest.mark.parametrize(
    "change", [{"delays": [0.0]}, {"delays": [0.0, "x"]}, {"durations": [2.0, 0.0]}, {"id": None, "texts": None}]
)
def test_a_broken_mixture_is_named_by_its_line(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "list.jsonl").write_text(f"{json.dumps(MIXTURE)}\n{json.dumps(MIXTURE | change)}\n")
    with pytest.raises(InvalidRequestError, match=r"list\.jsonl:2: "):
        read_librispeechmix(tmp_path / "list.jsonl", tmp_path)


def test_libricss_sessions_are_in_order_of_start(tmp_path: Path) -> None:
    (recording,) = read_libricss(meetings(tmp_path))
    expected = [("121", 0.5, 2.5, "harangue the tiresome product"), ("1089", 2.0, 4.0, "he hoped")]
    assert brief(recording) == expected
    assert recording.name == "OV10/overlap_ratio_10.0_session0"
    assert recording.path == tmp_path / recording.name / "record/raw_recording.wav"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("start\tend\n", ":1: the columns must be start_time"),
        (MEETING_INFO + "5.0\t4.0\ta\tb\tTEXT\n", ":4: .*need 0 <= start < end"),
        (MEETING_INFO + "5.0\t6.0\ta\n", ":4: ValueError"),
    ],
)
def test_a_broken_line_of_libricss_is_named(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"meeting_info.txt{fault}"):
        read_libricss(meetings(tmp_path, text))


def test_ami_words_become_turns_without_punctuation_and_noises(tmp_path: Path) -> None:
    (recording,) = read_ami_words(ami(tmp_path))
    assert brief(recording) == [("ES2002a.A", 1.0, 2.0, "okay it's"), ("ES2002a.A", 9.0, 9.5, "twenty two")]
    assert recording.name == "ES2002a"


def test_broken_words_of_ami_are_named(tmp_path: Path) -> None:
    root = ami(tmp_path, AMI_WORDS.replace('starttime="9.0"', 'starttime="nine"'))
    with pytest.raises(InvalidRequestError, match=r"ES2002a\.A\.words\.xml: element 6: ValueError"):
        read_ami_words(root)
    (root / "words/ES2002a.A.words.xml").write_text("<w>")
    with pytest.raises(InvalidRequestError, match=r"ES2002a\.A\.words\.xml: no element found"):
        read_ami_words(root)


@pytest.mark.parametrize("read", [read_librispeech, read_libricss, read_ami_words])
def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(InvalidRequestError, match=r"no .*\*.* below"):
        read(tmp_path)


def references_of(out: Path, *corpus: object) -> dict[str, list[tuple[str, str]]]:
    """Recording -> speakers and words, as an evaluation reads what was written."""
    corpus_references.main([*map(str, corpus), "--out", str(out)])
    return {name: [(turn.speaker, text_of(turn)) for turn in turns] for name, turns in read_transcripts(out).items()}


def test_each_corpus_gives_references_that_an_evaluation_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.jsonl").write_text(json.dumps(MIXTURE))
    out = tmp_path / "out.jsonl"
    mixtures = references_of(out, "--librispeechmix", tmp_path / "list.jsonl", "--audio", tmp_path)
    assert mixtures == {MIXTURE["id"]: [("1272", "good evening"), ("6295", "that's all of it")]}
    assert capsys.readouterr().out == f"{MIXTURE['id']}\t{tmp_path / str(MIXTURE['mixed_wav'])}\n"
    (session,) = references_of(out, "--libricss", meetings(tmp_path)).items()
    assert session == (
        "OV10/overlap_ratio_10.0_session0",
        [("121", "harangue the tiresome product"), ("1089", "he hoped")],
    )
    words = references_of(out, "--ami", ami(tmp_path))
    assert words == {"ES2002a": [("ES2002a.A", "okay it's"), ("ES2002a.A", "twenty two")]}


def test_a_corpus_that_is_not_there_ends_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no .*\*.* below"):
        corpus_references.main(["--ami", str(tmp_path), "--out", str(tmp_path / "out.jsonl")])
