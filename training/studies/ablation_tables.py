"""What came out of an ablation study, beside what the paper claims: Markdown."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.figure_text import figure_text, verdict
from training.metrics.bootstrap import Figure
from training.metrics.paired_resampling import RunCounts, difference, mean_rate, relative_change
from training.metrics.transcription import delay_percentile, share_early
from training.studies.ablation_scores import ConversationScore, RunScores
from training.studies.ablation_variants import VARIANTS
from training.tables import markdown_table

# Variant -> seed -> scores.
StudyScores = Mapping[str, Mapping[int, RunScores]]
Count = Callable[[ConversationScore], float]

WHOLE = "whole"
STEPS = ("words", "tokens", "fastemit", "activity", WHOLE)
# Variant -> what it is compared with.
COMPARED = {after: before for before, after in pairwise(STEPS)} | {"heat": WHOLE, "fixed": WHOLE}
INTERVALS = (
    "Means over seeds; in brackets 95 % intervals over conversations and seeds, paired in comparisons, none of a seed "
    "alone; not over talkers, of whom there are few: others may differ by more. Latencies: of all seeds together, "
    "intervals over conversations. By pauses: turns cut where words pause for as long as suits the dev conversations "
    "best."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A count and what it is out of; changes are `relative`, or those of a share, in points of a hundred."""

    name: str
    count: Count
    total: Count
    relative: bool

    def runs(self, scores: Iterable[RunScores]) -> RunCounts:
        """(S, R) and (R,)."""
        rows = [run.conversations for run in scores]
        return RunCounts(
            np.array([[self.count(found) for found in row] for row in rows], np.float64),
            np.array([self.total(found) for found in rows[0]], np.float64),
        )

    def mean(self, scores: Iterable[RunScores]) -> Figure:
        """Over seeds."""
        return mean_rate(self.runs(scores), most=math.inf if self.relative else 1.0)

    def change(self, before: Mapping[int, RunScores], after: Mapping[int, RunScores]) -> Figure:
        """Over the seeds that both have; none without one."""
        shared = sorted(before.keys() & after.keys())
        if not shared:
            return Figure(None, None)
        pair = self.runs(before[seed] for seed in shared), self.runs(after[seed] for seed in shared)
        return relative_change(*pair) if self.relative else difference(*pair)

    def text(self, change: Figure) -> str:
        """With its sign and unit."""
        return figure_text(change, sign="+", unit=" %" if self.relative else " points")


WER = Measure(name="ORC-WER", count=lambda one: one.errors, total=lambda one: one.words, relative=True)
TURNS = Measure(
    name="turn counting", count=lambda one: one.turns == one.turns_found, total=lambda one: 1, relative=False
)
PAUSES = Measure(
    name="by pauses", count=lambda one: one.turns == one.turns_by_pauses, total=lambda one: 1, relative=False
)
FOUND = Measure(name="turns found", count=lambda one: one.turns_found, total=lambda one: one.turns, relative=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A figure of arXiv 2205.05199's abstract (as a fraction), and the two variants that stand for it here."""

    text: str
    measure: Measure
    before: str
    after: str
    claimed: float


CLAIMS = (
    Claim(text="turn tokens and their losses: -17 % WER", measure=WER, before="words", after=WHOLE, claimed=-0.17),
    Claim(
        text="turn tokens and their losses: +4.6 points of turn counting",
        measure=TURNS,
        before="words",
        after=WHOLE,
        claimed=0.046,
    ),
    Claim(text="mixtures made on the fly: -14 % WER", measure=WER, before="fixed", after=WHOLE, claimed=-0.14),
    Claim(
        text="overlap-based arrangement: -28 % WER (theirs against a two-speaker model, here against HEAT)",
        measure=WER,
        before="heat",
        after=WHOLE,
        claimed=-0.28,
    ),
)


def markdown(scores: StudyScores) -> str:
    """Words and turns, latencies, claims; variants without a finished run are left out."""
    done = {name: scores[name] for name in VARIANTS if scores.get(name)}
    if not done:
        return "no finished run yet"
    words = (
        "variant", "seeds", "ORC-WER %", "of each seed", "change", "turns right %", "by pauses %", "turns found %"
    )  # fmt: skip
    latency = ("variant", "starts", "P50 ms", "P90 ms", "early %", "ends", "P50 ms", "P90 ms", "early %")
    tables = (
        markdown_table(words, [_words_row(name, done) for name in done]),
        markdown_table(latency, [_latency_row(name, done[name]) for name in done]),
        markdown_table(("the paper", "here", "so it"), [_claim_row(claim, done) for claim in CLAIMS]),
    )
    return "\n\n".join((_counts_text(done), *tables))


def _words_row(name: str, done: StudyScores) -> tuple[str, ...]:
    runs = [done[name][seed] for seed in sorted(done[name])]
    before = COMPARED.get(name, "")
    change = f"{WER.text(WER.change(done[before], done[name]))} against {before}" if before in done else "-"
    return (
        VARIANTS[name].title,
        str(len(runs)),
        figure_text(WER.mean(runs)),
        " / ".join(f"{100 * rate:.1f}" for rate in WER.runs(runs).by_seed()),
        change,
        figure_text(TURNS.mean(runs)),
        figure_text(PAUSES.mean(runs)),
        figure_text(FOUND.mean(runs)),
    )


def _latency_row(name: str, by_seed: Mapping[int, RunScores]) -> tuple[str, ...]:
    columns = [*zip(*(run.conversations for run in by_seed.values()), strict=True)]
    starts = [[delay for one in column for delay in one.start_delays_s] for column in columns]
    ends = [[delay for one in column for delay in one.end_delays_s] for column in columns]
    return (VARIANTS[name].title, *_delay_cells(starts), *_delay_cells(ends))


def _delay_cells(delays_s: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """How many, P50, P90, early share; of all seeds together, a list for each conversation."""
    percentiles = (delay_percentile(delays_s, percent) for percent in (50, 90))
    return (
        str(sum(map(len, delays_s))),
        *(figure_text(figure, scale=1000, digits=0) for figure in percentiles),
        figure_text(share_early(delays_s)),
    )


def _claim_row(claim: Claim, done: StudyScores) -> tuple[str, str, str]:
    change = claim.measure.change(done.get(claim.before, {}), done.get(claim.after, {}))
    here = f"{claim.measure.text(change)} {claim.measure.name}, {claim.after} against {claim.before}"
    return claim.text, here, verdict(change, claim.claimed)


def _counts_text(done: StudyScores) -> str:
    runs = [run for by_seed in done.values() for run in by_seed.values()]
    conversations = runs[0].conversations
    words, turns = sum(one.words for one in conversations), sum(one.turns for one in conversations)
    return f"{len(runs)} runs on {len(conversations)} conversations, {words} words, {turns} turns. {INTERVALS}"
