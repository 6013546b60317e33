"""A drawn mixture for human eyes and ears: `python -m training.data.show_mixture --utterances U --seed 3 [--wav F]`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import soundfile
from rich.console import Console
from rich.table import Table
from rich.text import Text

from svc.cli.timeline import COLOURS, axis
from svc.errors import InvalidRequestError
from svc.types import MODEL_RATE_HZ
from training.command_line import add_folders, from_zero, mistakes_told
from training.data.arrangement import NUM_CHANNELS
from training.data.manifest import TRAIN, Clip, noises_at
from training.data.mixture_recipe import NO_ROOM, MixtureRecipe, PlacedTurn
from training.data.mixtures import CURRICULUM, MixtureSimulator
from training.data.rendering import Sounds, render
from training.data.rooms import POSITIONS, RoomBank, RoomConfig
from training.data.speech_store import SpeechStore, load_noises
from training.data.turn_taking import overlap_ratio
from training.data.utterances import Utterance, read_utterances

MARGIN_CELLS = 10
MIN_CELLS = 40
LETTERS = "ABCDEFGH"


def show(recipe: MixtureRecipe, console: Console) -> None:
    """A lane a channel with a letter a talker, then a line a turn."""
    names = list(dict.fromkeys(turn.speaker for turn in recipe.turns))
    letters = dict(zip(names, LETTERS, strict=False))
    num_cells = max(MIN_CELLS, console.width - MARGIN_CELLS - 1)
    for channel in range(NUM_CHANNELS):
        lane = Text(f"channel {channel}".ljust(MARGIN_CELLS), style="bold")
        lane.append_text(_lane([turn for turn in recipe.turns if turn.channel == channel], letters, recipe, num_cells))
        console.print(lane)
    console.print(Text(" " * MARGIN_CELLS + axis(recipe.duration_s, num_cells), style="dim"))
    table = Table("", "talker", "from", "to", "dB", "room", "words", box=None, pad_edge=False)
    for turn in recipe.turns:
        room = "-" if turn.response == NO_ROOM else str(turn.response // POSITIONS)
        times = (f"{edge_s:.2f}" for edge_s in (turn.span.start_s, turn.span.end_s))
        letter = Text(letters[turn.speaker], style=_colour(letters[turn.speaker]))
        table.add_row(letter, turn.speaker, *times, f"{turn.gain_db:+.1f}", room, turn.text)
    console.print(table)
    console.print(_summary(recipe), style="dim", highlight=False)


def _lane(turns: Sequence[PlacedTurn], letters: dict[str, str], recipe: MixtureRecipe, num_cells: int) -> Text:
    cells = [" "] * num_cells
    for turn in turns:
        first, last = (int(edge_s / recipe.duration_s * num_cells) for edge_s in (turn.span.start_s, turn.span.end_s))
        cells[first : last + 1] = letters[turn.speaker] * (last + 1 - first)
    return Text.assemble(*((cell, _colour(cell)) for cell in cells))


def _colour(letter: str) -> str:
    return COLOURS[LETTERS.find(letter) % len(COLOURS)]


def _summary(recipe: MixtureRecipe) -> str:
    degradation = recipe.degradation
    noise = f"{degradation.noise} at {degradation.snr_db} dB" if degradation.noise else "no noise"
    band = "telephone band" if degradation.telephone else "whole band"
    overlap = overlap_ratio([turn.span for turn in recipe.turns])
    return f"seed {recipe.seed}: {recipe.duration_s:.1f} s, {overlap:.0%} of the speech overlapped, {noise}, {band}"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told():
        spoken = [found for found in read_utterances(options.utterances) if found.split == options.split]
        if not spoken:
            raise InvalidRequestError(f"no utterance of split {options.split}", field="utterances")
        noises = noises_at(options.root, TRAIN)
        config = CURRICULUM[options.stage]
        recipe = MixtureSimulator(spoken, config, noises=noises, rooms=RoomConfig().rooms).draw(options.seed)
        show(recipe, Console())
        if options.wav is not None:
            mixture = render(recipe, _sounds(recipe, spoken, noises, options.root, options.cache))
            soundfile.write(options.wav, mixture.samples, MODEL_RATE_HZ)


def _sounds(
    recipe: MixtureRecipe, spoken: Sequence[Utterance], noises: Sequence[Clip], root: Path, cache: Path
) -> Sounds:
    # Of a whole corpus only what is heard is decoded.
    named = {piece.utterance_id for turn in recipe.turns for piece in turn.pieces}
    speech = SpeechStore.open([found for found in spoken if found.utterance_id in named], root=root, folder=cache)
    heard = [clip for clip in noises if clip.path == recipe.degradation.noise]
    return Sounds(speech, load_noises(heard, root), RoomBank.open(cache, RoomConfig()))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.data.show_mixture", description=__doc__)
    parser.add_argument("--utterances", type=Path, required=True, help="utterances.jsonl of training.data.align")
    parser.add_argument("--seed", type=from_zero, default=0)
    parser.add_argument("--stage", choices=CURRICULUM, default="conversations")
    parser.add_argument("--split", default=TRAIN)
    parser.add_argument("--wav", type=Path, help="write the mixture's audio")
    add_folders(parser)
    return parser


if __name__ == "__main__":
    main()
