"""The fixed conversations a transcriber is judged on: `python -m training.data.conversation_sets ..`.

Held-out talkers in four domains under six conditions named as in LibriCSS (Chen et al., 2020): 0S and 0L without
overlap, with short and with long pauses; OV10 to OV40 with two talking for 10 to 40 % of the speech, within 3 points.
Every conversation is a seed, and draws from the words of judged_alignment.jsonl, so the sets are these files and
conversation_sets.json, which holds a digest of each cell: speech that was aligned otherwise gives other conversations,
and is refused.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
from rich.progress import track

from svc.errors import InvalidRequestError
from svc.pipelines.rttm import to_rttm
from svc.pipelines.transcript import stm_line
from svc.types import MODEL_RATE_HZ, Turn
from training.command_line import add_folders, folder_to_write, mistakes_told
from training.data.manifest import JUDGED_SPLITS, TEST, noises_for, read_manifest
from training.data.mixture_recipe import MixtureRecipe
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.data.rendering import Sounds, render
from training.data.rooms import RoomBank, RoomConfig
from training.data.speech_store import SpeechStore, load_noises
from training.data.transcripts import TranscriptTurn, TranscriptWord, write_transcripts
from training.data.turn_taking import TurnTaking, overlap_ratio
from training.data.utterances import Utterance, read_utterances

DOMAINS = ("phrases", "digits", "commands", "telephone")
DURATION_S = (20.0, 40.0)
OVERLAP_TOLERANCE = 0.03
MAX_DRAWS = 20_000
PER_CELL = 20
DIGESTS = Path(__file__).with_suffix(".json")
# Other rooms than those of training, whose banks have small seeds.
ROOMS = RoomConfig(rooms=40, seed=20_000)


def pauses_near(seconds: float, *, log_std: float) -> TurnTaking:
    """Pauses about so long and no interruptions."""
    return TurnTaking(
        interruption_share=0.0,
        pause_log_mean=float(np.log(seconds)),
        pause_log_std=log_std,
        interruption_log_mean=0.0,
        interruption_log_std=0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a conversation goes: the share of overlapped speech aimed at, and the pauses between the other turns."""

    overlap: float
    pauses: TurnTaking


SHORT_PAUSES = pauses_near(0.25, log_std=0.4)
CONDITIONS = {
    "0S": Condition(overlap=0.0, pauses=SHORT_PAUSES),
    "0L": Condition(overlap=0.0, pauses=pauses_near(2.5, log_std=0.1)),
    "OV10": Condition(overlap=0.1, pauses=SHORT_PAUSES),
    "OV20": Condition(overlap=0.2, pauses=SHORT_PAUSES),
    "OV30": Condition(overlap=0.3, pauses=SHORT_PAUSES),
    "OV40": Condition(overlap=0.4, pauses=SHORT_PAUSES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation of a set: how it sounds, as a recipe, and what was really said."""

    uri: str
    domain: str
    condition: str
    recipe: MixtureRecipe

    @property
    def overlap(self) -> float:
        """Share of the speech in which two talk."""
        return overlap_ratio([turn.span for turn in self.recipe.turns])

    @property
    def reference(self) -> tuple[TranscriptTurn, ...]:
        """Turns in order of start, with their words."""
        return tuple(
            TranscriptTurn(
                speaker=turn.speaker,
                channel=turn.channel,
                start_s=turn.span.start_s,
                end_s=turn.span.end_s,
                words=tuple(
                    TranscriptWord(text=word.text, start_s=word.start_s, end_s=word.end_s) for word in turn.words
                ),
            )
            for turn in self.recipe.turns
        )


class ConversationSet:
    """The conversations of one split of the utterances and the sounds they are made of.

    `folder` keeps decoded speech and rooms; `root` holds the corpora and their manifest.
    """

    def __init__(self, utterances: Sequence[Utterance], split: str, *, root: Path, folder: Path) -> None:
        self.split = split
        self._utterances = [found for found in utterances if found.split == split and found.domain in DOMAINS]
        self._noises = noises_for(read_manifest(root / "manifest.csv"), split)
        self._root, self._folder = root, folder

    def conversations(self, domain: str, condition: str, *, number: int | None = None) -> list[Conversation]:
        """The first PER_CELL, or `number`, recipes that keep to the condition, last 20 to 40 s and have two talkers.

        Raises InvalidRequestError when the domain has too few talkers in this split.
        """
        number = PER_CELL if number is None else number
        spoken = [found for found in self._utterances if found.domain == domain]
        if len({found.speaker for found in spoken}) < 2:
            raise InvalidRequestError(f"no two talkers of {domain} in the {self.split} split", field="utterances")
        simulator = MixtureSimulator(spoken, cell_config(domain, condition), noises=self._noises, rooms=ROOMS.rooms)
        fitting = _fitting(simulator, CONDITIONS[condition], crc32(cell_name(self.split, domain, condition).encode()))
        recipes = list(islice(fitting, number))
        if len(recipes) < number:
            raise InvalidRequestError(
                f"{domain} {condition}: only {len(recipes)} of {number} found", field="utterances"
            )
        return [
            Conversation(uri=f"{domain}-{condition}-{index:02d}", domain=domain, condition=condition, recipe=recipe)
            for index, recipe in enumerate(recipes)
        ]

    def checked(self, domain: str, condition: str) -> list[Conversation]:
        """The conversations of a cell, sure to be those of the recorded digest. Raises InvalidRequestError if not."""
        conversations = self.conversations(domain, condition)
        cell = cell_name(self.split, domain, condition)
        if digest_of(conversations) != recorded_digests().get(cell):
            message = f"{cell} is not the set of {DIGESTS.name}: its utterances were aligned otherwise"
            raise InvalidRequestError(message, field="utterances")
        return conversations

    def selected(
        self, domains: Iterable[str], conditions: Sequence[str] = tuple(CONDITIONS), *, per_cell: int | None
    ) -> list[Conversation]:
        """The first so many of each cell of these domains, all for None; checked."""
        cells = (self.checked(domain, condition) for domain in domains for condition in conditions)
        return [found for cell in cells for found in cell[:per_cell]]

    def sounds(self) -> Sounds:
        """What the conversations are rendered from; decoding takes a minute the first time."""
        speech = SpeechStore.open(self._utterances, root=self._root, folder=self._folder)
        return Sounds(speech, load_noises(self._noises, self._root), RoomBank.open(self._folder, ROOMS))


def part_of_cell(given: str) -> int:
    """The type of an option that takes the first so many conversations of a cell."""
    if not given.isdigit() or not 1 <= int(given) <= PER_CELL:
        raise argparse.ArgumentTypeError(f"must be 1 to {PER_CELL}, not {given}")
    return int(given)


def add_set_options(parser: argparse.ArgumentParser, *, split: str) -> None:
    """The options of a command that judges on conversations; `split` unless told otherwise."""
    parser.add_argument("--utterances", type=Path, required=True, help="utterances.jsonl of training.data.align")
    add_folders(parser)
    parser.add_argument("--split", choices=JUDGED_SPLITS, default=split)
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=DOMAINS)
    parser.add_argument(
        "--per-cell", type=part_of_cell, help="the first so many of each domain and condition; default all"
    )


def cell_config(domain: str, condition: str) -> MixtureConfig:
    """Two to four talkers as they spoke, in their own order, half of them in a room and half in noise."""
    aim = CONDITIONS[condition]
    return MixtureConfig(
        domains=(domain,),
        domain_weights=(1.0,),
        mixed_domains_share=0.0,
        talker_weighting=0.0,
        talkers=(2, 4),
        turns=(8, 32),
        turn_s=(1.5, 5.0),
        shuffled_share=0.0,
        max_duration_s=DURATION_S[1],
        overlap_share=(aim.overlap, aim.overlap),
        natural_share=0.0,
        turn_taking=aim.pauses,
        speeds=(1.0,),
        level_db=(-6.0, 0.0),
        snr_db=(10.0, 25.0),
        telephone_share=1.0 if domain == "telephone" else 0.0,
    )


def cell_name(split: str, domain: str, condition: str) -> str:
    """As in the file of digests."""
    return f"{split}/{domain}/{condition}"


def digest_of(conversations: Sequence[Conversation]) -> str:
    """Sixteen hex digits that change with any sample's recipe."""
    lines = "".join(f"{conversation.uri} {conversation.recipe.to_json()}\n" for conversation in conversations)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def recorded_digests() -> dict[str, str]:
    """Cell, as split/domain/condition, to the digest it must have."""
    digests: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.is_file() else {}
    return digests


def stm_of(conversation: Conversation) -> str:
    """NIST's STM, a line a turn."""
    return "".join(
        stm_line(conversation.uri, Turn(turn.span, turn.speaker), channel=turn.channel, text=turn.text)
        for turn in conversation.recipe.turns
    )


def rttm_of(conversation: Conversation) -> str:
    """NIST's RTTM, a line a turn."""
    return to_rttm((Turn(turn.span, turn.speaker) for turn in conversation.recipe.turns), conversation.uri)


def _fitting(simulator: MixtureSimulator, aim: Condition, first_seed: int) -> Iterator[MixtureRecipe]:
    for seed in islice(count(first_seed << 20), MAX_DRAWS):
        recipe = simulator.draw(seed)
        ratio = overlap_ratio([turn.span for turn in recipe.turns])
        lasts = DURATION_S[0] <= recipe.duration_s <= DURATION_S[1]
        if lasts and abs(ratio - aim.overlap) <= OVERLAP_TOLERANCE and len({t.speaker for t in recipe.turns}) > 1:
            yield recipe


def write_set(conversations: Sequence[Conversation], out: Path, sounds: Sounds | None) -> None:
    """references.jsonl, .stm and .rttm, recipes.jsonl, and with sounds a WAV file of each mixture."""
    out.mkdir(parents=True, exist_ok=True)
    write_transcripts(out / "references.jsonl", {found.uri: found.reference for found in conversations})
    (out / "references.stm").write_text("".join(map(stm_of, conversations)), encoding="utf-8")
    (out / "references.rttm").write_text("".join(map(rttm_of, conversations)), encoding="utf-8")
    recipes = (found.recipe.to_json() + "\n" for found in conversations)
    (out / "recipes.jsonl").write_text("".join(recipes), encoding="utf-8")
    if sounds is not None:
        for found in track(conversations, "rendering", disable=not sys.stderr.isatty()):
            soundfile.write(
                out / f"{found.uri}.wav", render(found.recipe, sounds, with_sources=False).samples, MODEL_RATE_HZ
            )


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    cells = [(domain, condition) for domain in options.domains for condition in CONDITIONS]
    with mistakes_told():
        utterances = read_utterances(options.utterances)
        made = ConversationSet(utterances, options.split, root=options.root, folder=options.cache)
        draw = made.conversations if options.record else made.checked
        by_cell = {cell_name(options.split, *cell): draw(*cell) for cell in cells}
        if options.record:
            digests = recorded_digests() | {cell: digest_of(found) for cell, found in by_cell.items()}
            DIGESTS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        conversations = [found for cell in by_cell.values() for found in cell]
        write_set(conversations, options.out, None if options.no_audio else made.sounds())
    hours = sum(found.recipe.duration_s for found in conversations) / 3600
    print(f"{len(conversations)} conversations, {hours:.2f} h in {options.out}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.data.conversation_sets", description=__doc__)
    parser.add_argument("--split", choices=JUDGED_SPLITS, default=TEST)
    parser.add_argument("--utterances", type=Path, required=True, help="utterances.jsonl of training.data.align")
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder for audio and references")
    add_folders(parser)
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=DOMAINS)
    parser.add_argument("--no-audio", action="store_true", help="references and recipes only")
    parser.add_argument("--record", action="store_true", help=f"write the digests to {DIGESTS.name} anew")
    return parser


if __name__ == "__main__":
    main()
