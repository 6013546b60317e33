"""Conversations drawn on the fly from single talkers: 1 to 4 of them, never more than two at once.

    recipe = MixtureSimulator(utterances, CURRICULUM["conversations"], noises=noises, rooms=bank.rooms).draw(seed)
    mixture = render(recipe, Sounds(store, noises, bank))

The same seed gives the same recipe, and the same recipe the same audio to the bit.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from svc.typed_config import check_positive, check_range, check_shares
from svc.types import Span
from training.data.arrangement import RULES, Arrangement, arrange
from training.data.augment import Degradation
from training.data.manifest import Clip
from training.data.mixture_recipe import NO_ROOM, MixtureRecipe, PlacedTurn
from training.data.rooms import POSITIONS
from training.data.turn_drafts import Draft, Phrase, Session, join_phrases, sessions_of
from training.data.turn_taking import (
    MEETINGS,
    MIN_OWN_PAUSE_S,
    TurnTaking,
    gaps_for_overlap,
    overlap_ratio,
    place_turns,
)
from training.data.utterances import TimedWord, Utterance

GAP_DRAWS = 4
DIGITS = "digits"


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureConfig:
    """What conversations are drawn. Pairs are the ends of a range, both included.

    overlap_share: share of the speech in which two talk, aimed at; in natural_share of the mixtures none is aimed at
    and people interrupt as they do in meetings.
    talker_weighting: a talker with n phrases comes as often as n to this power says; 0 = everybody as often.
    """

    domains: tuple[str, ...] = ("phrases", "digits", "commands", "telephone", "read")
    domain_weights: tuple[float, ...] = (3.0, 1.0, 1.0, 1.0, 1.0)
    mixed_domains_share: float = 0.1
    talker_weighting: float = 0.5
    talkers: tuple[int, int] = (1, 4)
    turns: tuple[int, int] = (2, 10)
    turn_s: tuple[float, float] = (0.5, 6.0)
    digits_per_turn: tuple[int, int] = (3, 7)
    commands_per_turn: tuple[int, int] = (1, 4)
    shuffled_share: float = 0.5
    max_duration_s: float = 15.0
    lead_s: tuple[float, float] = (0.2, 0.6)
    tail_s: tuple[float, float] = (0.5, 1.0)
    overlap_share: tuple[float, float] = (0.0, 0.5)
    natural_share: float = 0.3
    turn_taking: TurnTaking = MEETINGS
    arrangement: Arrangement = "overlap"
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    talker_gain_db: tuple[float, float] = (-4.0, 4.0)
    turn_gain_db: tuple[float, float] = (-1.5, 1.5)
    level_db: tuple[float, float] = (-12.0, 3.0)
    room_share: float = 0.5
    noise_share: float = 0.5
    snr_db: tuple[float, float] = (5.0, 25.0)
    telephone_share: float = 0.25

    def __post_init__(self) -> None:
        if not self.domains or len(self.domains) != len(self.domain_weights):
            weights = f"{list(self.domains)} and {list(self.domain_weights)}"
            raise ValueError(f"domains must be some, and domain_weights one for each, got {weights}")
        if not self.speeds or min(self.speeds) <= 0:
            raise ValueError(f"speeds must be a list of numbers above zero, got {list(self.speeds)}")
        if self.arrangement not in RULES:
            raise ValueError(f"arrangement must be one of {', '.join(RULES)}, got {self.arrangement!r}")
        check_range(1, inf, self, "talkers", "turns", "digits_per_turn", "commands_per_turn")
        check_range(0.01, inf, self, "turn_s")
        check_range(0, inf, self, "lead_s", "tail_s")
        check_positive(self, "max_duration_s")
        check_range(0, 0.99, self, "overlap_share")
        check_range(-inf, inf, self, "talker_gain_db", "turn_gain_db", "level_db", "snr_db")
        shares = "mixed_domains_share", "shuffled_share", "natural_share", "room_share", "noise_share"
        check_shares(self, *shares, "telephone_share")


CONVERSATIONS = MixtureConfig()
# From easy to hard, the order to train in.
CURRICULUM: dict[str, MixtureConfig] = {
    "words": replace(
        CONVERSATIONS, talkers=(1, 1), turns=(1, 1), turn_s=(0.1, 0.4), digits_per_turn=(1, 1), commands_per_turn=(1, 1)
    ),
    "turns": replace(CONVERSATIONS, talkers=(1, 1), turns=(1, 1)),
    "overlaps": replace(CONVERSATIONS, talkers=(2, 2), turns=(2, 2), overlap_share=(0.3, 0.8), natural_share=0.0),
    "conversations": CONVERSATIONS,
}


@dataclass(frozen=True, slots=True)
class _Talker:
    session: Session
    speed: float
    gain_db: float
    response: int

    @property
    def name(self) -> str:
        return self.session.speaker if self.speed == 1 else f"{self.session.speaker}@{self.speed:g}"


class MixtureSimulator:
    """Draws recipes from the utterances of one split; a domain without utterances is passed over.

    `oftener`: how many times as often some talkers come, among those of a domain.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        config: MixtureConfig = CONVERSATIONS,
        *,
        noises: Sequence[Clip] = (),
        rooms: int = 0,
        oftener: Mapping[str, float] | None = None,
    ) -> None:
        self.config = config
        self._oftener = oftener or {}
        self._noises = list(noises)
        self._rooms = rooms
        self._sessions: dict[str, dict[str, list[Session]]] = defaultdict(lambda: defaultdict(list))
        for session in sessions_of(utterances):
            self._sessions[session.domain][session.speaker].append(session)
        pairs = zip(config.domains, config.domain_weights, strict=True)
        weights = {domain: weight for domain, weight in pairs if domain in self._sessions and weight > 0}
        if not weights:
            raise ValueError(f"no utterance of any domain of {config.domains}")
        self._domains = list(weights)
        self._weights = np.array(list(weights.values())) / sum(weights.values())

    def draw(self, seed: int) -> MixtureRecipe:
        """The recipe of this seed: nothing else decides."""
        random = np.random.default_rng(seed)
        cast = self._cast(random)
        talkers = [cast[who] for who in self._order(len(cast), random)]
        drafts = [self._draft(talker, random) for talker in talkers]
        spans = self._place(drafts, [talker.name for talker in talkers], random)
        turns = [
            _placed(draft, span.start_s, talker, gain_db=float(random.uniform(*self.config.turn_gain_db)))
            for draft, span, talker in zip(drafts, spans, talkers, strict=True)
            if span.end_s <= self._last_end_s or span is spans[0]
        ]
        channels = arrange([turn.span for turn in turns], how=self.config.arrangement)
        end_s = max(turn.span.end_s for turn in turns) + random.uniform(*self.config.tail_s)
        return MixtureRecipe(
            seed=seed,
            duration_s=round(end_s, 2),
            turns=tuple(replace(turn, channel=channel) for turn, channel in zip(turns, channels, strict=True)),
            degradation=self._degradation(random),
        )

    @property
    def _last_end_s(self) -> float:
        return self.config.max_duration_s - self.config.tail_s[1]

    def _cast(self, random: np.random.Generator) -> list[_Talker]:
        """Different people of one domain, now and then of any, all in one room or in none."""
        domain = str(random.choice(self._domains, p=self._weights))
        domains = self._domains if random.random() < self.config.mixed_domains_share else [domain]
        voices = [sessions for name in domains for sessions in self._sessions[name].values()]
        wanted = int(random.integers(*self.config.talkers, endpoint=True))
        weights = np.array([sum(len(session.phrases) for session in sessions) for sessions in voices], np.float64)
        weights **= self.config.talker_weighting
        weights *= [self._oftener.get(sessions[0].speaker, 1.0) for sessions in voices]
        count = min(len(voices), wanted)
        chosen = random.choice(len(voices), size=count, replace=False, p=weights / weights.sum())
        in_a_room = self._rooms > 0 and random.random() < self.config.room_share
        room = int(random.integers(self._rooms)) if in_a_room else 0
        places = random.permutation(POSITIONS)
        level_db = float(random.uniform(*self.config.level_db))
        return [
            _Talker(
                session=voices[voice][int(random.integers(len(voices[voice])))],
                speed=float(random.choice(self.config.speeds)),
                gain_db=level_db + float(random.uniform(*self.config.talker_gain_db)),
                response=room * POSITIONS + int(places[index % POSITIONS]) if in_a_room else NO_ROOM,
            )
            for index, voice in enumerate(chosen.tolist())
        ]

    def _order(self, num_talkers: int, random: np.random.Generator) -> list[int]:
        """Who talks when: everybody once, then anybody but the last."""
        num_turns = max(num_talkers, int(random.integers(*self.config.turns, endpoint=True)))
        order: list[int] = random.permutation(num_talkers).tolist()
        while len(order) < num_turns:
            others = [who for who in range(num_talkers) if who != order[-1] or num_talkers == 1]
            order.append(others[int(random.integers(len(others)))])
        return order

    def _draft(self, talker: _Talker, random: np.random.Generator) -> Draft:
        phrases = talker.session.phrases
        if talker.session.isolated:
            digits = talker.session.domain.endswith(DIGITS)
            counts = self.config.digits_per_turn if digits else self.config.commands_per_turn
            count = min(len(phrases), int(random.integers(*counts, endpoint=True)))
            said = [phrases[index] for index in random.choice(len(phrases), size=count, replace=False)]
        else:
            said = self._connected(phrases, random)
        return join_phrases(said, speed=talker.speed, random=random)

    def _connected(self, phrases: Sequence[Phrase], random: np.random.Generator) -> list[Phrase]:
        """Phrases in the talker's own order from a random one on, or shuffled, until they last long enough."""
        shortest_s, longest_s = self.config.turn_s
        enough_s = float(np.exp(random.uniform(np.log(shortest_s), np.log(longest_s))))
        first = int(random.integers(len(phrases)))
        order = [*range(first, len(phrases))]
        if random.random() < self.config.shuffled_share:
            order = [first, *(index for index in random.permutation(len(phrases)).tolist() if index != first)]
        said: list[Phrase] = []
        spoken_s = 0.0
        for index in order:
            if said and (spoken_s >= enough_s or spoken_s + phrases[index].duration_s > longest_s):
                break
            said.append(phrases[index])
            spoken_s += phrases[index].duration_s
        return said

    def _place(self, drafts: list[Draft], names: list[str], random: np.random.Generator) -> list[Span]:
        """Of several draws of gaps the one whose overlap comes closest to the share aimed at, if one is."""
        durations_s = [draft.duration_s for draft in drafts]
        lead_s = float(random.uniform(*self.config.lead_s))
        taking = self.config.turn_taking
        if len(set(names)) == 1:
            # Nobody interrupts himself: interruptions would all end up as pauses of the least length.
            alone_s = [MIN_OWN_PAUSE_S + taking.pause_s(random) for _ in drafts[1:]]
            return _later(place_turns(durations_s, names, alone_s), lead_s)
        if random.random() < self.config.natural_share:
            return _later(place_turns(durations_s, names, taking.gaps_s(len(drafts) - 1, random)), lead_s)
        share = float(random.uniform(*self.config.overlap_share))
        gaps_s = (gaps_for_overlap(durations_s, share, turn_taking=taking, random=random) for _ in range(GAP_DRAWS))
        draws = [_later(place_turns(durations_s, names, gaps), lead_s) for gaps in gaps_s]
        return min(draws, key=lambda spans: abs(overlap_ratio(self._kept(spans)) - share))

    def _kept(self, spans: Sequence[Span]) -> list[Span]:
        return [span for span in spans if span.end_s <= self._last_end_s]

    def _degradation(self, random: np.random.Generator) -> Degradation:
        noisy = bool(self._noises) and random.random() < self.config.noise_share
        noise = self._noises[int(random.integers(len(self._noises)))] if noisy else None
        return Degradation(
            noise=noise.path if noise else "",
            noise_start_s=round(float(random.uniform(0, noise.duration_s)), 3) if noise else 0.0,
            snr_db=round(float(random.uniform(*self.config.snr_db)), 1) if noise else 0.0,
            telephone=bool(random.random() < self.config.telephone_share),
        )


def _later(spans: Sequence[Span], by_s: float) -> list[Span]:
    return [Span(span.start_s + by_s, span.end_s + by_s) for span in spans]


def _placed(draft: Draft, start_s: float, talker: _Talker, *, gain_db: float) -> PlacedTurn:
    """The draft from start_s on; its channel is decided once all turns have their places."""
    return PlacedTurn(
        speaker=talker.name,
        channel=0,
        words=tuple(
            TimedWord(word.text, round(start_s + word.start_s, 4), round(start_s + word.end_s, 4))
            for word in draft.words
        ),
        pieces=tuple(replace(piece, at_s=round(start_s + piece.at_s, 4)) for piece in draft.pieces),
        gain_db=round(talker.gain_db + gain_db, 2),
        speed=talker.speed,
        response=talker.response,
    )
