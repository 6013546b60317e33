"""Utterances taken apart into what a talker says in one breath, and turns put together from that."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from training.data.mixture_recipe import Piece
from training.data.utterances import TimedWord, Utterance

TELEPHONE = "telephone"
ISOLATED_SHARE = 0.8
# Pauses at which speech may be cut, and the longest stretch that is not cut elsewhere too.
PAUSE_S = 0.15
MAX_PHRASE_S = 4.0
# Kept around a phrase; half the pause where the next word is nearer.
MARGIN_S = 0.15
# Between two phrases of one turn: a longer pause of the recording is shortened to this, or would end the turn.
MAX_INNER_GAP_S = 0.4
INNER_GAP_S = (0.1, MAX_INNER_GAP_S)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words `first` to `last` (not included) of an utterance."""

    utterance: Utterance
    first: int
    last: int

    @property
    def words(self) -> tuple[TimedWord, ...]:
        return self.utterance.words[self.first : self.last]

    @property
    def duration_s(self) -> float:
        return self.words[-1].end_s - self.words[0].start_s

    def goes_on_in(self, other: "Phrase") -> bool:
        """Whether `other` are the words right after these, with a pause short enough to be kept as it is."""
        follows = other.utterance is self.utterance and other.first == self.last
        return follows and other.words[0].start_s - self.words[-1].end_s <= MAX_INNER_GAP_S

    def cut_s(self) -> tuple[float, float]:
        """Where to cut the utterance, in seconds within it."""
        words = self.utterance.words
        before_s = words[self.first - 1].end_s if self.first else 0.0
        after_s = words[self.last].start_s if self.last < len(words) else self.utterance.duration_s
        lead_s = min(MARGIN_S, (self.words[0].start_s - before_s) / (2 if self.first else 1))
        tail_s = min(MARGIN_S, (after_s - self.words[-1].end_s) / (2 if self.last < len(words) else 1))
        return self.words[0].start_s - max(0.0, lead_s), self.words[-1].end_s + max(0.0, tail_s)


@dataclass(frozen=True)
class Session:
    """What one talker said in one session, in order."""

    speaker: str
    domain: str
    phrases: tuple[Phrase, ...]

    @cached_property
    def isolated(self) -> bool:
        """Whether words were recorded alone, as digits and commands are; a command may be of two words."""
        alone = sum(len(phrase.utterance.words) == 1 for phrase in self.phrases)
        return alone >= ISOLATED_SHARE * len(self.phrases)


def sessions_of(utterances: Iterable[Utterance]) -> list[Session]:
    """Utterances by talker, domain and session, taken apart at their pauses; those without words are left out."""
    grouped: dict[tuple[str, str, str], list[Utterance]] = defaultdict(list)
    for utterance in sorted(utterances, key=lambda found: (found.path, found.start_s, found.utterance_id)):
        if utterance.words:
            grouped[utterance.speaker, utterance.domain, session_of(utterance)].append(utterance)
    return [
        Session(speaker, domain, tuple(phrase for utterance in found for phrase in phrases_of(utterance)))
        for (speaker, domain, _), found in sorted(grouped.items())
    ]


def session_of(utterance: Utterance) -> str:
    """A call for the telephone corpus, whose files are CALL_NUMBER; else the folder, which is one session's."""
    folder, _, name = utterance.path.rpartition("/")
    return f"{folder}/{name.partition('_')[0]}" if utterance.domain == TELEPHONE else folder


def phrases_of(utterance: Utterance) -> list[Phrase]:
    """Cut at every pause of PAUSE_S; what is still longer than MAX_PHRASE_S is cut at its longest pauses."""
    words = utterance.words
    pauses = [after.start_s - before.end_s for before, after in itertools.pairwise(words)]
    edges = [0, *(index + 1 for index, pause_s in enumerate(pauses) if pause_s >= PAUSE_S), len(words)]
    whole = (Phrase(utterance, *edge) for edge in itertools.pairwise(edges))
    return [part for phrase in whole for part in _in_breaths(phrase, pauses)]


def _in_breaths(phrase: Phrase, pauses_s: Sequence[float]) -> list[Phrase]:
    if phrase.duration_s <= MAX_PHRASE_S or phrase.last - phrase.first < 2:
        return [phrase]
    cut = max(range(phrase.first + 1, phrase.last), key=lambda index: pauses_s[index - 1])
    halves = Phrase(phrase.utterance, phrase.first, cut), Phrase(phrase.utterance, cut, phrase.last)
    return [part for half in halves for part in _in_breaths(half, pauses_s)]


@dataclass(frozen=True, slots=True)
class Draft:
    """A turn before it has a place: times count from its first word."""

    words: tuple[TimedWord, ...]
    pieces: tuple[Piece, ...]

    @property
    def duration_s(self) -> float:
        return self.words[-1].end_s


def join_phrases(phrases: Sequence[Phrase], *, speed: float, random: np.random.Generator) -> Draft:
    """One turn of phrases: those that follow each other keep their pause, the others get one. Never empty."""
    words: list[TimedWord] = []
    pieces: list[Piece] = []
    for run in _runs(phrases):
        gap_s = float(random.uniform(*INNER_GAP_S)) if words else 0.0
        begins_s = words[-1].end_s + gap_s if words else 0.0
        origin_s = run.words[0].start_s
        start_s, end_s = run.cut_s()
        at_s = begins_s - (origin_s - start_s) / speed
        pieces.append(Piece(utterance_id=run.utterance.utterance_id, start_s=start_s, end_s=end_s, at_s=at_s))
        words += (
            TimedWord(
                word.text, begins_s + (word.start_s - origin_s) / speed, begins_s + (word.end_s - origin_s) / speed
            )
            for word in run.words
        )
    return Draft(tuple(words), tuple(pieces))


def _runs(phrases: Sequence[Phrase]) -> list[Phrase]:
    runs: list[Phrase] = []
    for phrase in phrases:
        if runs and runs[-1].goes_on_in(phrase):
            runs[-1] = Phrase(phrase.utterance, runs[-1].first, phrase.last)
        else:
            runs.append(phrase)
    return runs
