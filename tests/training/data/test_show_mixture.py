"""The drawing of a mixture shows each turn where it is, and its sound can be written."""

from pathlib import Path

import pytest
import soundfile
from rich.console import Console

from tests.training.conftest import noise_rows
from tests.training.data.manifests import write_manifest
from tests.training.data.talkers import talkers, tones
from training.data import show_mixture
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.data.rooms import RoomConfig
from training.data.show_mixture import main, show
from training.data.utterances import write_utterances


def drawn(seed: int) -> list[str]:
    recipe = MixtureSimulator(talkers(), MixtureConfig(talkers=(2, 2))).draw(seed)
    console = Console(width=111, color_system=None, record=True)
    show(recipe, console)
    return console.export_text().splitlines()


def test_lanes_hold_the_turns_where_they_are() -> None:
    recipe = MixtureSimulator(talkers(), MixtureConfig(talkers=(2, 2))).draw(1)
    lanes = [line[10:] for line in drawn(1)[:2]]
    for turn in recipe.turns:
        middle = (turn.span.start_s + turn.span.end_s) / 2
        assert lanes[turn.channel][int(middle / recipe.duration_s * 100)] in "AB"
    assert f"{recipe.duration_s:.1f} s" in drawn(1)[-1]


def test_every_turn_has_a_line_with_its_talker_and_words() -> None:
    recipe = MixtureSimulator(talkers(), MixtureConfig(talkers=(2, 2))).draw(2)
    text = "\n".join(drawn(2))
    assert all(turn.speaker in text and turn.words[0].text in text for turn in recipe.turns)


def test_the_command_writes_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show_mixture, "RoomConfig", lambda: RoomConfig(rooms=1))
    spoken = talkers()
    for each in spoken:
        (tmp_path / each.path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / each.path, tones(each), 16_000)
    write_manifest(tmp_path, noise_rows(tmp_path))
    write_utterances(tmp_path / "u.jsonl", spoken)
    paths = ["--utterances", str(tmp_path / "u.jsonl"), "--root", str(tmp_path), "--cache", str(tmp_path / "cache")]
    main([*paths, "--wav", str(tmp_path / "out.wav")])
    assert f"{soundfile.info(tmp_path / 'out.wav').duration:.1f} s" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no utterance of split dev"):
        main([*paths, "--split", "dev"])
