"""Online clustering of turns into stable local labels S0, S1, ..; what comes later corrects what came before.

A turn joins the label its voice fits by calibrated LLR, founds a new one when it fits none, and stays without one while
it cannot be told. A label is never renamed and its number never given out again.
Letters: L labels, R turns.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svc.pipelines.live.turn_voices import TurnVoice
from svc.pipelines.live.voice_sums import VoiceSum
from svc.scoring.calibration import Calibration
from svc.scoring.conditions import Conditions, SideConditions
from svc.types import Voiceprint

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """When a turn is a known speaker's, in natural-log LLRs."""

    # Joins the best label from here on ..
    join_llr: float = 0.0
    # .. when it leads the second by this much.
    margin_llr: float = math.log(2)
    # Fits no label at all below this: a new speaker.
    found_llr: float = -1.0
    # Speech without anyone else that a new speaker's first turn must have; or else so much out of masked overlap, which
    # sounds of the other talker, too.
    min_founding_s: float = 1.0
    min_masked_founding_s: float = 3.0
    # A placed turn moves only to a label that fits by this much better: labels do not flicker.
    move_llr: float = 2.0
    # Two labels are one person from here on, when both have so much speech.
    merge_llr: float = 4.0
    min_merge_s: float = 2.0
    # Prior probability that a turn is by somebody new; the rest is spread evenly over the labels.
    new_prior: float = 0.2
    max_labels: int = 20
    # Turns that can still be revised; what is older stays as it was said last.
    kept_turns: int = 200

    def __post_init__(self) -> None:
        if not self.found_llr <= self.join_llr or min(self.margin_llr, self.move_llr) < 0:
            raise ValueError(f"need found_llr <= join_llr, margin_llr >= 0 and move_llr >= 0, got {self}")
        if not 0 < self.new_prior < 1 or min(self.max_labels, self.kept_turns) < 1:
            raise ValueError(f"need 0 < new_prior < 1, max_labels >= 1 and kept_turns >= 1, got {self}")


@dataclass(frozen=True, slots=True)
class Placement:
    """A turn's label, None while it cannot be told, and its posterior among all labels and somebody new."""

    label: int | None = None
    confidence: float = 0.0


NOWHERE = Placement()


@dataclass(slots=True)
class _Placed:
    """A turn that can still be revised."""

    voice: TurnVoice
    label: int | None


class SpeakerLabels:
    """The speakers of one stream. Memory is bounded by `kept_turns` and `max_labels`."""

    def __init__(self, calibration: Calibration, config: LabelConfig | None = None) -> None:
        self.calibration = calibration
        self.config = config or LabelConfig()
        self._sums: dict[int, VoiceSum] = {}
        self._turns: dict[int, _Placed] = {}
        self._num_founded = 0

    @property
    def labels(self) -> tuple[int, ...]:
        """Those that have a turn, oldest first."""
        return tuple(sorted(self._sums))

    def voiceprint(self, label: int) -> Voiceprint:
        """The voice of a label, from all its turns."""
        return self._sums[label].voiceprint(self.calibration.model_fingerprint)

    def place(self, turn_id: int, voice: TurnVoice) -> Placement:
        """Gives a turn its label; of a turn placed before, all that is known of its voice now."""
        before = self._turns.pop(turn_id, None)
        current = before.label if before else None
        if before:
            self._withdraw(before)
        llrs = self.llrs(voice.voiceprint)
        label = self._choose(voice, llrs, current)
        self._put(turn_id, _Placed(voice, label))
        return Placement(label, self._confidence(llrs, label))

    def is_by(self, label: int, voice: TurnVoice) -> bool:
        """Whether a turn with that voice would join a label."""
        return self._joined(self.llrs(voice.voiceprint)) == label

    def revise(self) -> dict[int, Placement]:
        """What all that was heard so far changes: turn_id -> its label from now on."""
        changed = self._merge()
        for turn_id in self._doubtful():
            placed = self._turns[turn_id]
            self._withdraw(placed)
            llrs = self.llrs(placed.voice.voiceprint)
            label = self._choose(placed.voice, llrs, placed.label)
            if label != placed.label:
                changed[turn_id] = Placement(label, self._confidence(llrs, label))
            self._put(turn_id, _Placed(placed.voice, label))
        return changed

    def _doubtful(self) -> list[int]:
        """Turns without a label, and those that fit another far better or their own no more. All are scored at once: a
        stream may have hundreds of turns to look at after each.
        """
        labels, turns = self.labels, self._turns
        if not labels or not turns:
            return []
        llrs = self._matrix([placed.voice.voiceprint for placed in turns.values()], labels)  # (R, L)
        own = np.array([[placed.label == label for label in labels] for placed in turns.values()])  # (R, L)
        best_other = np.where(own, -np.inf, llrs).max(axis=1)
        outgrown = (np.where(own, llrs, np.inf).min(axis=1) < self.config.found_llr) & own.any(axis=1)
        attracted = best_other >= self.config.join_llr + self.config.move_llr
        doubtful = outgrown | attracted | ~own.any(axis=1)
        return [turn_id for turn_id, doubt in zip(turns, doubtful.tolist(), strict=True) if doubt]

    def _matrix(self, voiceprints: Sequence[Voiceprint], labels: Sequence[int]) -> Array:
        """(R, L) LLRs of each voice against each label."""
        known = [self.voiceprint(label) for label in labels]
        rows, columns = (part.ravel() for part in np.indices((len(voiceprints), len(labels))))
        scores = np.stack([each.vector for each in voiceprints]) @ np.stack([each.vector for each in known]).T
        sides = SideConditions.of(known).take(columns), SideConditions.of(voiceprints).take(rows)
        return self.calibration.llr(scores.ravel(), Conditions(*sides)).reshape(scores.shape)

    def llrs(self, voiceprint: Voiceprint) -> dict[int, float]:
        """The calibrated LLR of a voice against each label."""
        labels = self.labels
        return dict(zip(labels, self._matrix([voiceprint], labels)[0].tolist(), strict=True)) if labels else {}

    def _choose(self, voice: TurnVoice, llrs: Mapping[int, float], current: int | None) -> int | None:
        """The label of a turn that is in no sum now. It had `current` before, which may be gone with it."""
        config = self.config
        best_llr = max(llrs.values(), default=-math.inf)
        if current is not None:
            # Alone under its label, a turn is as likely somebody new as not.
            current_llr = llrs.get(current, 0.0)
            if current_llr >= config.found_llr and best_llr < max(current_llr, config.join_llr) + config.move_llr:
                return current
        if (label := self._joined(llrs)) is not None:
            return label
        if best_llr >= config.found_llr or not self._can_found(voice) or len(llrs) >= config.max_labels:
            return None
        return self._found()

    def _joined(self, llrs: Mapping[int, float]) -> int | None:
        """The label that fits, and clearly better than any other."""
        ranked = sorted(llrs, key=lambda label: (-llrs[label], label))
        if not ranked or llrs[ranked[0]] < self.config.join_llr:
            return None
        lead = llrs[ranked[0]] - (llrs[ranked[1]] if len(ranked) > 1 else -math.inf)
        return ranked[0] if lead >= self.config.margin_llr else None

    def _can_found(self, voice: TurnVoice) -> bool:
        config = self.config
        enough_masked = voice.voiceprint.net_speech_s >= config.min_masked_founding_s
        return voice.alone_s >= config.min_founding_s or enough_masked

    def _found(self) -> int:
        self._num_founded += 1
        return self._num_founded - 1

    def _put(self, turn_id: int, placed: _Placed) -> None:
        self._turns[turn_id] = placed
        if placed.label is not None:
            voice = VoiceSum.of(placed.voice.voiceprint)
            self._sums[placed.label] = self._sums[placed.label] + voice if placed.label in self._sums else voice
        while len(self._turns) > self.config.kept_turns:
            # Its voice stays in the sum of its label.
            del self._turns[min(self._turns)]

    def _withdraw(self, placed: _Placed) -> None:
        if placed.label is None:
            return
        left = self._sums[placed.label] - VoiceSum.of(placed.voice.voiceprint)
        if left.is_empty:
            del self._sums[placed.label]
        else:
            self._sums[placed.label] = left

    def _merge(self) -> dict[int, Placement]:
        """Labels that prove to be one person become the older one."""
        changed: dict[int, Placement] = {}
        while pair := self._likest_pair():
            older, younger, llr = pair
            self._sums[older] += self._sums.pop(younger)
            for turn_id, placed in self._turns.items():
                if placed.label == younger:
                    placed.label = older
                    changed[turn_id] = Placement(older, 1 / (1 + math.exp(-llr)))
        return changed

    def _likest_pair(self) -> tuple[int, int, float] | None:
        """The two labels most likely one person, when that is likely enough."""
        labels = [label for label in self.labels if self._sums[label].speech_s >= self.config.min_merge_s]
        if len(labels) < 2:
            return None
        llrs = self._matrix([self.voiceprint(label) for label in labels], labels)
        pairs = [
            (labels[older], labels[younger], float(llrs[younger, older]))
            for younger in range(len(labels))
            for older in range(younger)
        ]
        best = max(pairs, key=lambda pair: pair[2])
        return best if best[2] >= self.config.merge_llr else None

    def _confidence(self, llrs: Mapping[int, float], label: int | None) -> float:
        """The label's posterior; of a label just founded, that of somebody new."""
        if label is None:
            return 0.0
        # Somebody new has LLR 0 by definition.
        logs = {known: llr + math.log((1 - self.config.new_prior) / len(llrs)) for known, llr in llrs.items()}
        new = math.log(self.config.new_prior) if llrs else 0.0
        total = float(np.logaddexp.reduce([new, *logs.values()]))
        return math.exp(logs.get(label, new) - total)
