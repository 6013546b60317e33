"""The report on cohorts as JSON (report_schema.json): what was heard, every ranking, and what sets two kinds apart."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.fairness.cohorts.changes import CohortChanges
from training.fairness.cohorts.held_out import Chance, HeldOut, LuckConfig
from training.fairness.cohorts.ranking import RankedCohort, Ranking, Spread
from training.fairness.cohorts.speaker_errors import Drawn, HeardUtterances, ratio
from training.metrics.bootstrap import Figure, figure_of
from training.metrics.verification import Array
from training.report_json import figure_json

FORM = 1
SPREADS = ("gap", "speaker_share", "word_share", "mean", "variance")
COMPARED = ("gap", "speaker_share")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Discovery:
    """Everything found of one system. `before`: the name of the system its changes are from; empty = none."""

    system: str
    transcriber: str
    heard: HeardUtterances
    drawn: Drawn
    rankings: Sequence[Ranking]
    config: LuckConfig
    before: str = ""
    changes: Mapping[str, CohortChanges | None] | None = None

    def as_json(self) -> Json:
        """As report_schema.json has it. Rates, gaps, shares and changes are fractions."""
        errors = self.heard.by_speaker()
        return {
            "form": FORM,
            "system": self.system,
            "transcriber": self.transcriber,
            "inputs_sha256": self.heard.digest,
            "before": self.before or None,
            "n_speakers": len(errors.speakers),
            "n_utterances": len(self.heard),
            "n_words": int(errors.words.sum()),
            "wer": figure_json(figure_of(float(errors.overall), self.drawn.errors.overall)),
            "domains": _domains(self.heard, self.drawn),
            "rankings": [self._ranking(ranking) for ranking in self.rankings],
            "comparisons": [
                comparison_json(one, other)
                for number, one in enumerate(self.rankings)
                for other in self.rankings[number + 1 :]
                if one.spread and other.spread
            ],
            "replicas": len(self.drawn.times),
            **asdict(self.config),
        }

    def _ranking(self, ranking: Ranking) -> Json:
        changes = (self.changes or {}).get(ranking.kind)
        return {
            "kind": ranking.kind,
            "n_unplaced": ranking.n_unplaced,
            "cohorts": [_cohort_json(cohort, changes) for cohort in ranking.cohorts],
            "spread": _spread_json(ranking.spread) if ranking.spread else None,
            "chance": _chance_json(ranking.chance) if ranking.chance else None,
            "held_out": _held_out_json(ranking.held_out) if ranking.held_out else None,
            "changes": _changes_json(changes) if changes else None,
        }


def comparison_json(one: Ranking, other: Ranking) -> Json:
    """One minus the other, of what can be compared, and how often its gap is the larger; both on the same draws."""
    if one.spread is None or other.spread is None:
        raise ValueError(f"{one.kind} or {other.kind} has fewer than two cohorts to compare")
    pairs = {name: (getattr(one.spread, name), getattr(other.spread, name)) for name in COMPARED}
    return {
        "kind": one.kind,
        "against": other.kind,
        "larger_gap_share": _larger_share(one.spread.gap[1], other.spread.gap[1]),
        **{name: figure_json(_difference(*pair)) for name, pair in pairs.items()},
    }


def _larger_share(one: Array, other: Array) -> float | None:
    """Of the draws in which either is measured; even where a best cohort without errors leaves the gap no bound."""
    either = ~(np.isnan(one) | np.isnan(other))
    more, alike = one[either] > other[either], one[either] == other[either]
    return float(np.mean(more + alike / 2)) if either.any() else None


def _difference(one: tuple[float, Any], other: tuple[float, Any]) -> Figure:
    with np.errstate(invalid="ignore"):
        value, draws = (left - right for left, right in zip(one, other, strict=True))
    return figure_of(float(value), draws)


def _domains(heard: HeardUtterances, drawn: Drawn) -> Json:
    errors, draws = heard.by_speaker(), drawn.errors
    values = ratio(errors.errors.sum(axis=0), errors.words.sum(axis=0))
    drawn_rates = ratio(draws.errors.sum(axis=1), draws.words.sum(axis=1))  # (R, D)
    return {
        domain: {
            "n_speakers": int((errors.words[:, number] > 0).sum()),
            "n_words": int(errors.words[:, number].sum()),
            "wer": figure_json(figure_of(float(values[number]), drawn_rates[:, number])),
        }
        for number, domain in enumerate(errors.domains)
    }


def _cohort_json(cohort: RankedCohort, changes: CohortChanges | None) -> Json:
    figures = {"before": changes.before, "change": changes.by_cohort} if changes else {}
    return {
        "name": cohort.name,
        "n_speakers": cohort.n_speakers,
        "n_words": cohort.n_words,
        "too_small": cohort.too_small,
        "wer": figure_json(cohort.wer),
        **{name: figure_json(of_cohort[cohort.name]) for name, of_cohort in figures.items()},
    }


def _spread_json(spread: Spread) -> Json:
    return {name: figure_json(spread.figure(name)) for name in SPREADS}


def _chance_json(chance: Chance) -> Json:
    return {"median": _finite(chance.median), "p95": _finite(chance.p95), "p": chance.p}


def _held_out_json(found: HeldOut) -> Json:
    return {
        "gap": _finite(found.gap),
        "worse_share": found.worse_share,
        "speaker_share": found.speaker_share,
        "splits": found.splits,
        "chance": _chance_json(found.chance),
    }


def _changes_json(changes: CohortChanges) -> Json:
    figures = {"of_worst": changes.of_worst, "of_mean": changes.of_mean, "of_variance": changes.of_variance}
    both = {
        name: dict(zip(("before", "after"), map(figure_json, of_both), strict=True))
        for name, of_both in (("mean", changes.mean), ("variance", changes.variance))
    }
    return {"worst": changes.worst, **{name: figure_json(figure) for name, figure in figures.items()}, **both}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
