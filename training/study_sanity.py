"""Can the audit be believed? On real speech as the shipped verifier scores it: groups drawn by lot show no gap, and a
gap that was put there is found.

    python -m training.study_sanity                         Markdown: both tables

Everybody's recordings are embedded once, as drawn and, on the test side, in loud noise by telephone. Shuffling a label
among the talkers then only judges the same scores again; harming somebody takes the other score of the trials that have
their voice on the test side. What an audit calls sure is a simultaneous 95 % interval that leaves out zero.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from scipy.stats import binomtest

from svc.application import Application
from svc.config import EquivoxConfig
from training.audit_shipped import shipped_people
from training.command_line import add_root, mistakes_told, positive, whole_numbers
from training.data.augment import Degradation
from training.data.manifest import TEST, Clip, noises_for, read_manifest
from training.data.segments import Segment, SegmentReader, parse_segment
from training.data.trial_list import Trial, TrialList, collect_trials
from training.data.trials import SETS, draw_trials
from training.embeddings import VoiceCache
from training.evaluate import Attributes, Evaluation, Identity, Settings, evaluate, judge
from training.fairness.disaggregated import Disaggregated
from training.fairness.groups import COUNTRY, SEX, People
from training.figure_text import figure_text
from training.metrics.bootstrap import Summary
from training.metrics.score_bins import AT_THRESHOLD
from training.metrics.verification import Array, Mask
from training.systems import System, equivox_system
from training.tables import markdown_table, progress_over

MEASURES = {"eer": "EER", "fmr": "FMR", "fnmr": "FNMR", "cllr": "Cllr"}
HARMED, SPARED = "harmed", "spared"
CONDITION = "condition"

Columns = Mapping[str, Mapping[str, str]]
"""Column -> talker -> value."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answers:
    """(T,) LLRs, and trials that were refused."""

    llrs: Array
    refused: Mask

    def with_others(self, others: "Answers", where: Mask) -> "Answers":
        """Those of `others` where `where` (T,) holds."""
        return Answers(
            llrs=np.where(where, others.llrs, self.llrs), refused=np.where(where, others.refused, self.refused)
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Listened:
    """Trials, and the answer to each as drawn and with its test side harmed."""

    trials: TrialList
    as_drawn: Answers
    harmed: Answers
    system: Identity

    def planted(self, whom: frozenset[str]) -> Answers:
        """Where the test sides of these talkers are harmed."""
        hurt = np.array([unit in whom for unit in self.trials.units])[self.trials.test]
        return self.as_drawn.with_others(self.harmed, hurt)

    def judged(self, answers: Answers, columns: Columns, settings: Settings) -> Evaluation:
        """These answers by these columns, people of one group with each other."""
        attributes = Attributes(people=People(columns=columns), by=tuple(columns))
        return judge(
            self.trials,
            answers.llrs,
            self.system,
            settings=settings,
            attributes=attributes,
            refused=answers.refused,
        )


def listen(
    trials: Sequence[Trial],
    system: System,
    reader: SegmentReader,
    *,
    noises: Sequence[Clip],
    snr_db: float,
    voices: Path,
) -> Listened:
    """Each side once, ever: `voices` keeps them."""
    drawn = [replace(trial, groups={}) for trial in trials]
    worse = [replace(trial, test=str(harmed(parse_segment(trial.test), noises, snr_db))) for trial in drawn]
    both = collect_trials((f"trial {number}", trial) for number, trial in enumerate([*drawn, *worse]))
    cache = VoiceCache(voices / f"sanity-{system.name}-{system.version}.npz")
    with progress_over(len(both.sides), "recordings") as on_side:
        evaluation = evaluate(both, system, reader, settings=Settings(replicas=0), cache=cache, on_side=on_side)
    return Listened(
        trials=collect_trials((f"trial {number}", trial) for number, trial in enumerate(drawn)),
        as_drawn=Answers(llrs=evaluation.llrs[: len(drawn)], refused=evaluation.refused[: len(drawn)]),
        harmed=Answers(llrs=evaluation.llrs[len(drawn) :], refused=evaluation.refused[len(drawn) :]),
        system=evaluation.system,
    )


def harmed(segment: Segment, noises: Sequence[Clip], snr_db: float) -> Segment:
    """The same speech, whatever was done to it before, in noise and through a telephone."""
    noise = noises[crc32(str(segment).encode()) % len(noises)]
    return Segment(segment.pieces, Degradation(noise=noise.path, snr_db=snr_db, telephone=True))


def shuffled(columns: Columns, seed: int) -> Columns:
    """The same values dealt to other talkers; each talker's values stay together."""
    talkers = sorted(set[str]().union(*columns.values()))
    order = np.random.default_rng(seed).permutation(len(talkers))
    dealt = {talker: talkers[place] for talker, place in zip(talkers, order, strict=True)}
    return {name: {talker: of.get(dealt[talker], "") for talker in talkers} for name, of in columns.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Of how many shuffles each measure was said to differ for sure."""

    shuffles: int
    sure: Mapping[str, int]

    def text(self, measure: str) -> str:
        """How many, and in percent with Clopper and Pearson's interval."""
        share = binomtest(self.sure[measure], self.shuffles).proportion_ci()
        edges = ", ".join(f"{100 * edge:.1f}" for edge in (share.low, share.high))
        return f"{self.sure[measure]}: {100 * self.sure[measure] / self.shuffles:.1f} % [{edges}]"


def claims_by_chance(listened: Listened, columns: Columns, *, shuffles: int, settings: Settings) -> dict[str, Claims]:
    """By column; shuffle number n has seed n. Columns in which two groups are never large enough are left out."""
    sure = {name: dict.fromkeys(MEASURES, 0) for name in columns}
    judged = dict.fromkeys(columns, 0)
    with progress_over(shuffles, "shuffles") as on_shuffle:
        for seed in range(shuffles):
            evaluation = listened.judged(
                listened.as_drawn, shuffled(columns, seed), replace(settings, seed=settings.seed + seed)
            )
            for name, result in evaluation.disaggregated.items():
                judged[name] += bool(result.gaps)
                for measure in MEASURES.keys() & result.gaps.keys():
                    sure[name][measure] += result.gaps[measure].surest.sure
            on_shuffle()
    return {name: Claims(shuffles=judged[name], sure=sure[name]) for name in columns if judged[name]}


def harmed_halves(people: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[str, frozenset[str]]]:
    """Who is harmed: half of all, by lot."""
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(people))[: len(people) // 2]
        yield f"half of the talkers, seed {seed}", frozenset(people[place] for place in order)


def harmed_sexes(sexes: Mapping[str, str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Who is harmed: all of one sex."""
    for sex in sorted(set(sexes.values()) - {""}):
        yield f"all of sex {sex}", frozenset(talker for talker, of in sexes.items() if of == sex)


def planted_row(listened: Listened, told: str, whom: frozenset[str], settings: Settings) -> tuple[str, ...]:
    """Counts of the harmed and the spared, and what the audit says of the gap between them."""
    column = {talker: HARMED if talker in whom else SPARED for talker in listened.trials.units}
    result = listened.judged(listened.planted(whom), {CONDITION: column}, settings).disaggregated[CONDITION]
    counts = (counted(result.by_group[group]) for group in (HARMED, SPARED))
    return (told, *counts, *(gap_text(result, measure) for measure in AT_THRESHOLD))


def recorded_rows(listened: Listened, columns: Columns, settings: Settings) -> Iterator[tuple[str, ...]]:
    """What the audit says of the groups as recorded: the pair of groups least likely to be chance."""
    for name, result in listened.judged(listened.as_drawn, columns, settings).disaggregated.items():
        if result.gaps:
            compared = [result.grouping.groups[number] for number in result.compared]
            groups = "; ".join(f"{group}: {result.by_group[group].n_speakers}" for group in compared)
            yield (f"{name}, as recorded", groups, *(gap_text(result, measure) for measure in AT_THRESHOLD))


def counted(summary: Summary) -> str:
    return f"{summary.n_speakers}; {summary.n_target} / {summary.n_nontarget}"


def gap_text(result: Disaggregated, measure: str) -> str:
    """In points with the simultaneous interval, and who is worse off where that leaves out zero."""
    gap = result.gaps[measure].surest
    sure = f"sure, worse for {result.name_of(gap.worse)}" if gap.sure else "not sure"
    return f"{figure_text(gap.difference, sign='+')}: {sure}"


def chance_table(claims: Mapping[str, Claims]) -> str:
    """How often groups drawn by lot were said to differ for sure."""
    rows = [
        (f"{name}, shuffled", str(of.shuffles), *(of.text(measure) for measure in MEASURES))
        for name, of in claims.items()
    ]
    return markdown_table(("groups", "shuffles", *MEASURES.values()), rows)


def report(listened: Listened, columns: Columns, *, shuffles: int, seeds: Sequence[int], settings: Settings) -> str:
    """Both tables, and the groups as recorded."""
    gaps = [f"{MEASURES[measure]} gap, points" for measure in AT_THRESHOLD]
    whom = [*harmed_halves(sorted(set(listened.trials.units)), seeds), *harmed_sexes(columns[SEX])]
    parts = [
        "How often groups drawn by lot differ for sure, in brackets 95 % over shuffles:",
        chance_table(claims_by_chance(listened, columns, shuffles=shuffles, settings=settings)),
        "The groups as recorded, and their talkers:",
        markdown_table(("groups", "talkers", *gaps), recorded_rows(listened, columns, settings)),
        "Some talkers harmed on the test side; talkers; target / nontarget trials:",
        markdown_table(
            ("harmed", "the harmed", "the spared", *gaps), (planted_row(listened, *each, settings) for each in whom)
        ),
    ]
    return "\n\n".join(parts)


def run_study(options: argparse.Namespace) -> None:
    """Prints it."""
    clips = read_manifest(options.root / "manifest.csv")
    noises = noises_for(clips, TEST)
    trials = draw_trials(options.set, root=options.root)
    with closing(Application(EquivoxConfig())) as application:
        system = equivox_system(application)
        listened = listen(
            trials, system, SegmentReader(options.root), noises=noises, snr_db=options.snr_db, voices=options.voices
        )
    columns = known_of(listened.trials, shipped_people(clips, corpus=SETS[options.set].corpus))
    settings = Settings(replicas=options.replicas, levels=options.levels)
    how = f"{options.replicas} draws of {options.levels} levels, harmed by noise at {options.snr_db:g} dB"
    print(f"{options.set}, {len(trials)} trials, {how}\n")
    print(report(listened, columns, shuffles=options.shuffles, seeds=options.seeds, settings=settings))


def known_of(trials: TrialList, people: People) -> Columns:
    """Sex and country of the talkers in the list; a column of which nothing is known is left out."""
    columns = {
        name: {talker: people.known(name).get(talker, "") for talker in set(trials.units)} for name in (SEX, COUNTRY)
    }
    return {name: of for name, of in columns.items() if any(of.values())}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="saa-2s-degraded", choices=SETS, metavar="SET", help="(default %(default)s)")
    parser.add_argument("--shuffles", type=positive, default=200, help="of each label (default %(default)s)")
    halves = "of the halves that are harmed (default %(default)s)"
    parser.add_argument("--seeds", type=whole_numbers, default="0,1,2", help=halves)
    parser.add_argument("--snr-db", type=float, default=0.0, help="of the noise that harms (default %(default)s)")
    parser.add_argument("--replicas", type=positive, default=500, help="draws of people (default %(default)s)")
    parser.add_argument("--levels", type=int, default=2, choices=(1, 2), help="of the bootstrap (default %(default)s)")
    add_root(parser)
    parser.add_argument("--voices", type=Path, default=Path("out/voices"), help="cache of voiceprints")
    options = parser.parse_args(arguments)
    with mistakes_told():
        run_study(options)


if __name__ == "__main__":
    main()
