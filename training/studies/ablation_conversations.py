"""What all runs of an ablation study share: the conversations they are judged on, drawn once and kept in a file."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from svc.artifact import CARD, read_card
from svc.errors import InvalidRequestError
from training.data.conversation_sets import CONDITIONS, Conversation, ConversationSet
from training.data.manifest import JUDGED_SPLITS, TEST
from training.data.mixture_recipe import MixtureRecipe
from training.data.rendering import Sounds
from training.data.utterances import read_utterances
from training.report_json import write_text
from training.studies.settled import settle
from training.transcriber_data import DataPaths

CONFIGS = Path(__file__).parents[1] / "configs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The recipe and the fixed conversations of one study.

    `per_cell` of the test talkers and `dev_per_cell` of the dev talkers, for each domain and condition.
    """

    recipe: Path
    domains: tuple[str, ...]
    per_cell: int
    dev_per_cell: int
    conditions: tuple[str, ...] = tuple(CONDITIONS)

    def number(self, split: str) -> int:
        """Of conversations in a cell."""
        return self.per_cell if split == TEST else self.dev_per_cell


STUDIES = {
    "commands": Study(recipe=CONFIGS / "ablation-commands.toml", domains=("commands",), per_cell=20, dev_per_cell=5),
    "english": Study(
        recipe=CONFIGS / "ablation-english.toml",
        domains=("phrases", "digits"),
        per_cell=10,
        dev_per_cell=3,
    ),
}


def prepare(study: Study, paths: DataPaths, out: Path) -> None:
    """Draws the conversations where they are not there yet.

    Raises InvalidRequestError when the folder holds a study of other data or of other conversations, or the sets are
    not the recorded ones.
    """
    settle_data(paths, out)
    for split in JUDGED_SPLITS:
        if _file(out, split).exists():
            _check_kept(study, out, split)
        else:
            made = _conversation_set(paths, split)
            chosen = made.selected(study.domains, study.conditions, per_cell=study.number(split))
            keep(out, split, chosen)


def _check_kept(study: Study, out: Path, split: str) -> None:
    """Raises InvalidRequestError where others are kept than those that this study is judged on."""
    there = Counter((domain, condition) for _, domain, condition, _ in _rows(out, split))
    asked = Counter({(domain, name): study.number(split) for domain in study.domains for name in study.conditions})
    if there != asked:
        held, wanted = (
            ", ".join(f"{number} of {domain} {name}" for (domain, name), number in sorted(cells.items())) or "none"
            for cells in (there, asked)
        )
        message = f"{_file(out, split)} holds {held}, and asked for are {wanted}: give another --out"
        raise InvalidRequestError(message, field="out")


def settle_data(paths: DataPaths, out: Path) -> None:
    """Notes what a study learns from. Raises InvalidRequestError when the folder holds one of other data."""
    settle(out / "data.json", {"utterances": digest_of(paths.utterances), "units": digest_of(paths.units)})


def keep(out: Path, split: str, conversations: Iterable[Conversation]) -> None:
    """Written beside and renamed."""
    rows = ([found.uri, found.domain, found.condition, found.recipe.to_json()] for found in conversations)
    write_text(_file(out, split), "".join(json.dumps(row) + "\n" for row in rows))


def kept(out: Path, split: str) -> list[Conversation]:
    """What `prepare` drew."""
    return [
        Conversation(uri=uri, domain=domain, condition=condition, recipe=MixtureRecipe.from_json(recipe))
        for uri, domain, condition, recipe in _rows(out, split)
    ]


def _rows(out: Path, split: str) -> Iterator[list[str]]:
    """As `keep` wrote them: uri, domain, condition and recipe."""
    return (json.loads(line) for line in _file(out, split).read_text(encoding="utf-8").splitlines())


def sounds_of(paths: DataPaths, split: str) -> Sounds:
    """What the conversations of a split are rendered from."""
    return _conversation_set(paths, split).sounds()


def _conversation_set(paths: DataPaths, split: str) -> ConversationSet:
    return ConversationSet(read_utterances(paths.utterances), split, root=paths.root, folder=paths.cache)


def _file(out: Path, split: str) -> Path:
    return out / f"conversations-{split}.jsonl"


def digest_of(path: Path) -> str:
    """16 hex digits of a file; of an artifact its own, which a report put beside it does not change.

    Raises InvalidRequestError when there is none.
    """
    if (path / CARD).is_file():
        return read_card(path).digest
    if not path.is_file():
        raise InvalidRequestError(f"no file {path}", field=path.stem)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
