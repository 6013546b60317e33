"""The accuracy tables of README.md: every trial set, our system and its peers on the same trials in one run.

`make evaluation` (python -m training.benchmark). Voices are cached in out/voices; a second run is instant.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from svc.application import Application
from svc.config import EquivoxConfig
from training.command_line import add_root, folder_to_write, from_zero, mistakes_told
from training.data.segments import SegmentReader
from training.data.trials import EVALUATED, SETS, make_trials
from training.embeddings import VoiceCache
from training.evaluate import Evaluation, Settings, evaluate
from training.metrics.bootstrap import Summary
from training.report_json import write_json
from training.systems import System, equivox_system, plain_cosine_system, resemblyzer_system
from training.tables import markdown_table, measure_text, progress_over

HEADER = ("set", "system", "EER %", "minDCF(0.01)", "minDCF(0.05)", "Cllr", "minCllr", "Cllr / minCllr")
COUNTS = ("speakers", "target", "nontarget")


def run(
    names: Sequence[str], systems: Sequence[System], *, root: Path, out: Path, settings: Settings
) -> dict[str, list[Evaluation]]:
    """All systems on all sets; voices of other code or weights are never reused."""
    reader = SegmentReader(root)
    # Told once: the code that runs is the code of now, even when a file changes meanwhile.
    versions = {system.name: system.version for system in systems}
    evaluations: dict[str, list[Evaluation]] = {}
    for name in names:
        trials = make_trials(name, seed=settings.seed, root=root)
        for system in systems:
            cache = VoiceCache(out / "voices" / f"{name}-{system.name}-{versions[system.name]}.npz")
            with progress_over(len(trials.sides), f"{name}, {system.name}") as on_side:
                evaluation = evaluate(trials, system, reader, settings=settings, cache=cache, on_side=on_side)
            evaluations.setdefault(name, []).append(evaluation)
    return evaluations


def markdown(evaluations: dict[str, list[Evaluation]]) -> str:
    """The table for README; 95 % intervals over speakers in brackets."""
    return markdown_table((*HEADER, *COUNTS), _rows(evaluations))


def _rows(evaluations: dict[str, list[Evaluation]]) -> Iterator[tuple[str, ...]]:
    for name, of_set in evaluations.items():
        for evaluation in of_set:
            overall = evaluation.overall
            counts = (overall.n_speakers, overall.n_target, overall.n_nontarget)
            yield (name, evaluation.system.name, *_figures(overall, evaluation.system.calibrated), *map(str, counts))


def _figures(overall: Summary, calibrated: bool) -> Iterator[str]:
    figures = overall.figures
    yield measure_text("eer", figures["eer"])
    for name in ("min_dcf_01", "min_dcf_05", "cllr", "min_cllr"):
        value = figures[name].value
        yield "-" if value is None or (name == "cllr" and not calibrated) else f"{value:.3f}"
    cllr, min_cllr = figures["cllr"].value, figures["min_cllr"].value
    yield f"{cllr / min_cllr:.2f}" if calibrated and cllr and min_cllr else "-"


SYSTEMS: dict[str, Callable[[Application], System]] = {
    "equivox": equivox_system,
    "campplus-cosine": lambda application: plain_cosine_system(application.embedder),
    "resemblyzer": lambda application: resemblyzer_system(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {', '.join(EVALUATED)}")
    parser.add_argument("--seed", type=from_zero, default=0, help="of the trial lists and the bootstrap")
    add_root(parser)
    parser.add_argument("--out", type=folder_to_write, default="out")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    chosen = parser.parse_args()
    if unknown := set(chosen.sets) - SETS.keys():
        parser.error(f"no trial set {sorted(unknown)[0]}; there are {', '.join(SETS)}")
    with mistakes_told(), closing(Application(EquivoxConfig())) as application:
        systems = [SYSTEMS[name](application) for name in chosen.systems]
        names = chosen.sets or EVALUATED
        evaluations = run(
            names, systems, root=chosen.root, out=chosen.out, settings=Settings(seed=chosen.seed, levels=1)
        )
        report = {name: {each.system.name: each.as_json() for each in of_set} for name, of_set in evaluations.items()}
        write_json(chosen.out / "evaluation.json", {"seed": chosen.seed, "split": "test", "sets": report})
    print(markdown(evaluations))
    print(f"\nSame-sex trials of the test split, seed {chosen.seed}; 95 % intervals over speakers. `make evaluation`")


if __name__ == "__main__":
    main()
