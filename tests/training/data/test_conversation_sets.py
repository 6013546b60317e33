"""The fixed sets keep to their conditions, come out the same each time, and tell when they would not."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from svc.errors import InvalidRequestError
from svc.pipelines.rttm import read_rttm
from tests.training.conftest import noise_rows
from tests.training.data.manifests import write_manifest
from tests.training.data.talkers import talkers, tones
from training.data import conversation_sets
from training.data.conversation_sets import (
    CONDITIONS,
    DIGESTS,
    DOMAINS,
    ConversationSet,
    cell_name,
    digest_of,
    main,
    recorded_digests,
    rttm_of,
)
from training.data.manifest import JUDGED_SPLITS
from training.data.rooms import RoomConfig
from training.data.transcripts import read_transcripts
from training.data.turn_taking import overlap_ratio
from training.data.utterances import write_utterances

SPOKEN = [replace(spoken, split="test") for spoken in talkers()]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic talkers as files, utterances.jsonl and two noises of the test split."""
    folder = tmp_path_factory.mktemp("talkers")
    for spoken in SPOKEN:
        (folder / spoken.path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / spoken.path, tones(spoken), 16_000)
    write_manifest(folder, noise_rows(folder))
    write_utterances(folder / "utterances.jsonl", SPOKEN)
    return folder


def the_set(root: Path) -> ConversationSet:
    return ConversationSet(SPOKEN, "test", root=root, folder=root / "cache")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_overlap_length_and_talkers_keep_to_the_condition(root: Path, condition: str) -> None:
    for found in the_set(root).conversations("phrases", condition, number=3):
        spans = [turn.span for turn in found.recipe.turns]
        assert abs(overlap_ratio(spans) - CONDITIONS[condition].overlap) <= 0.03
        assert 20 <= found.recipe.duration_s <= 40
        assert 2 <= len({turn.speaker for turn in found.reference}) <= 4


def test_pauses_are_long_in_0l_and_short_in_0s(root: Path) -> None:
    pauses = {}
    for condition in ("0S", "0L"):
        (found,) = the_set(root).conversations("phrases", condition, number=1)
        turns = found.reference
        gaps = [after.start_s - before.end_s for before, after in itertools.pairwise(turns)]
        pauses[condition] = np.median(gaps)
    assert pauses["0S"] < 0.5 < 2 < pauses["0L"]


def test_the_command_writes_the_same_set_each_time(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conversation_sets, "DIGESTS", tmp_path / "digests.json")
    monkeypatch.setattr(conversation_sets, "CONDITIONS", {"OV20": CONDITIONS["OV20"]})
    monkeypatch.setattr(conversation_sets, "ROOMS", RoomConfig(rooms=1))
    monkeypatch.setattr(conversation_sets, "PER_CELL", 2)
    fixed = ["--utterances", str(root / "utterances.jsonl"), "--root", str(root), "--cache", str(tmp_path / "cache")]
    for out, more in (("one", ["--record"]), ("two", [])):
        main([*fixed, "--domains", "phrases", "--out", str(tmp_path / out), *more])
    assert "2 conversations" in capsys.readouterr().out
    files = sorted((tmp_path / "one").iterdir())
    assert len(files) == 6
    for file in files:
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    references = read_transcripts(tmp_path / "one" / "references.jsonl")
    from_stm = read_transcripts(tmp_path / "one" / "references.stm")
    # As everything here that writes STM: channels from 1 in the file.
    assert {name: [(t.channel + 1, t.speaker) for t in turns] for name, turns in references.items()} == {
        name: [(t.channel, t.speaker) for t in turns] for name, turns in from_stm.items()
    }


def test_other_utterances_are_refused_with_the_reason(root: Path, tmp_path: Path) -> None:
    fixed = ["--utterances", str(root / "utterances.jsonl"), "--root", str(root), "--cache", str(tmp_path)]
    with pytest.raises(SystemExit, match="aligned otherwise"):
        main([*fixed, "--domains", "digits", "--out", str(tmp_path / "out"), "--no-audio"])


def test_a_split_without_talkers_is_refused(root: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no two talkers of telephone"):
        the_set(root).conversations("telephone", "0S")


def test_the_digest_changes_with_any_turn(root: Path) -> None:
    (found,) = the_set(root).conversations("digits", "0S", number=1)
    first = found.recipe.turns[0]
    other = replace(found, recipe=replace(found.recipe, turns=(replace(first, gain_db=9.0), *found.recipe.turns[1:])))
    assert digest_of([found]) != digest_of([other])


def test_rttm_is_what_the_diarization_reader_reads(root: Path, tmp_path: Path) -> None:
    (found,) = the_set(root).conversations("phrases", "OV20", number=1)
    (tmp_path / "a.rttm").write_text(rttm_of(found))
    turns = read_rttm(tmp_path / "a.rttm")[found.uri]
    assert [turn.speaker for turn in turns] == [turn.speaker for turn in found.reference]


def test_every_cell_has_its_digest() -> None:
    cells = {
        cell_name(split, domain, condition) for split in JUDGED_SPLITS for domain in DOMAINS for condition in CONDITIONS
    }
    assert recorded_digests().keys() == cells
    assert json.loads(DIGESTS.read_text()) == recorded_digests()
