r"""Fits the calibration of an embedder and prints Cllr and minCllr: `python -m training.calibrate`.

    python -m training.calibrate                    figures of the shipped recipe, cross-validated over speakers
    python -m training.calibrate --test             and of its final weights on the test sets of the README
    python -m training.calibrate --test --out svc/artifacts/calibration-campplus   writes the shipped artifact
    python -m training.calibrate --trials T.csv --audio-root DIR --out FOLDER      on your own trials
    python -m training.calibrate --policy REQUEST.toml --trials T.csv --audio-root DIR --people P.csv --by sex \
        --out door.toml        no fit: the threshold that costs least within limits (training.choose_policy)

Scores are normalised (AS-norm, svc.scoring.normalisation) against a cohort: the talkers of the trials where they are 30
or more, or with --cohort DIR the clips of that folder, each subfolder one person; --no-cohort leaves it out.
--trials wants columns enrolment, test, target (1 or 0) and, better, enrolment_speaker and test_speaker: without
them files stand for speakers, and the cross-validated figures are too good. Serve with it by setting
`verification.calibration = "FOLDER"` in the server's configuration, with a policy by `verification.policies =
["door.toml"]` and, to make it the default, `verification.policy = "door"`. Exit status 3: none keeps the limits.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from svc.application import Application
from svc.artifact import save_artifact
from svc.config import EquivoxConfig, load_settings
from svc.errors import InvalidRequestError, TooLittleSpeechError
from svc.scoring.calibration import CalibrationWeights, tensors_of
from svc.scoring.conditions import SideConditions
from svc.typed_config import load_config
from training.audit import Groups, Material
from training.calibration_card import card_of, figures_card
from training.calibration_cohort import Strangers
from training.calibration_figures import (
    CalibrationFigures,
    figures_of,
    figures_table,
    held_out_llrs,
    llrs_of,
    unmeasured_text,
)
from training.calibration_fit import CalibrationTrials, FitSettings, fit, gather, join
from training.calibration_options import FOLDS, parsed
from training.calibration_trials import POOLS, draw_pool
from training.choose_policy import Request, choose_policy, policy_file_text
from training.command_line import mistakes_told
from training.data.audio_files import read_recording
from training.data.segments import SegmentReader
from training.data.trial_list import TrialList, read_trials
from training.data.trials import EVALUATED, make_trials
from training.embeddings import VoiceCache, Voices, embed_sides
from training.evaluate import Settings, check_both_kinds
from training.policy_tables import choice_lines, choice_table
from training.report_json import write_text
from training.systems import equivox_listener
from training.tables import counts_text, progress_over

# Exit status when no threshold keeps the limits of a policy.
INFEASIBLE = 3
CLIP_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the weights, beside the data."""

    seed: int = 0
    folds: int = FOLDS
    settings: FitSettings
    strangers: Strangers | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VoiceSource:
    """Where voices come from: the extractor of the service itself, its results kept in `voices_folder`."""

    application: Application
    voices_folder: Path

    def voices_of(self, name: str, trials: TrialList, root: Path) -> Voices:
        """Each side embedded once, ever: the file's name tells model and code."""
        listener = equivox_listener(self.application.extractor)
        cache = VoiceCache(self.voices_folder / f"{name}-{listener.name}-{listener.version}.npz")
        with progress_over(len(trials.sides), name) as on_side:
            return embed_sides(trials, SegmentReader(root), listener.embed, cache=cache, on_side=on_side)

    def trials_of(self, name: str, trials: TrialList, root: Path, *, weight: float = 1.0) -> CalibrationTrials:
        """A list as what the fit works on."""
        check_both_kinds(trials)
        return gather(trials, self.voices_of(name, trials, root), weight=weight)


def shipped_pools(source: VoiceSource, root: Path, seed: int) -> dict[str, CalibrationTrials]:
    """The pools of training.calibration_trials, embedded."""
    return {
        name: source.trials_of(
            f"calibration-{name}-{seed}", draw_pool(name, seed=seed, root=root), root, weight=pool.weight
        )
        for name, pool in POOLS.items()
    }


def cross_validated(pools: Mapping[str, CalibrationTrials], recipe: Recipe) -> dict[str, CalibrationFigures | None]:
    """Figures of each pool and of all, on speakers the weights were not fitted on."""
    joined = join(list(pools.values()))
    llrs = held_out_llrs(joined, recipe.settings, folds=recipe.folds, seed=recipe.seed, strangers=recipe.strangers)
    pool_of = np.repeat(np.arange(len(pools)), [len(pool.scores) for pool in pools.values()])
    masks = {name: pool_of == number for number, name in enumerate(pools)}
    if len(pools) > 1:
        masks["all"] = np.ones(len(llrs), dtype=bool)
    # Trials across folds have no held-out LLR.
    tested = {name: mask & np.isfinite(llrs) for name, mask in masks.items()}
    return {name: figures_of(joined.select(mask), llrs[mask]) for name, mask in tested.items()}


def on_test_sets(source: VoiceSource, weights: CalibrationWeights, root: Path) -> dict[str, CalibrationFigures | None]:
    """Figures of final weights on the test sets: other talkers than the weights were fitted on."""
    figures = {}
    for name in EVALUATED:
        trials = source.trials_of(name, make_trials(name, root=root), root)
        figures[name] = figures_of(trials, llrs_of(weights, trials))
    return figures


def run(chosen: argparse.Namespace, config: EquivoxConfig, console: Console) -> None:
    """Embeds, cross-validates, fits on all, tests and writes, as chosen."""
    with closing(Application(config)) as application:
        source = VoiceSource(application=application, voices_folder=chosen.voices)
        settings = FitSettings(penalty=chosen.penalty, cohort=not chosen.no_cohort)
        strangers = strangers_of(application, chosen.cohort) if chosen.cohort else None
        recipe = Recipe(seed=chosen.seed, folds=chosen.folds, settings=settings, strangers=strangers)
        pools = own_pool(source, chosen) if chosen.trials else shipped_pools(source, chosen.root, chosen.seed)
        figures = {"held_out": cross_validated(pools, recipe)}
        console.print(figures_table(f"held out, {recipe.folds} folds over speakers", figures["held_out"]))
        if too_few := [name for name, found in figures["held_out"].items() if found is None]:
            console.print(unmeasured_text(too_few), highlight=False, markup=False)
        weights = fit(join(list(pools.values())), recipe.settings, strangers=strangers)
        if chosen.test:
            figures["test"] = on_test_sets(source, weights, chosen.root)
            console.print(figures_table("test sets", figures["test"]))
        card = card_of(chosen, config, application.embedder.fingerprint, weights)
    if chosen.out:
        measured = {name: figures_card(rows) for name, rows in figures.items()}
        save_artifact(chosen.out, tensors_of(weights), {**card, "figures": measured})
        console.print(
            f'wrote {chosen.out}; serve with it: verification.calibration = "{chosen.out}"',
            markup=False,
            soft_wrap=True,
        )


def run_policy(chosen: argparse.Namespace, console: Console) -> bool:
    """Chooses and writes a threshold; False = no threshold keeps the limits, and nothing was written."""
    material = Material(
        trials=chosen.trials,
        audio_root=chosen.audio_root,
        scores=chosen.scores,
        config=chosen.config,
        voices=None if chosen.scores else chosen.voices,
    )
    groups = Groups(people=chosen.people, by=tuple(chosen.by), pairs=chosen.pairs)
    request = load_config(Request, chosen.policy)
    answer = choose_policy(request, material, groups, Settings(seed=chosen.seed, replicas=chosen.replicas or None))
    console.print(counts_text(answer.best), highlight=False, markup=False)
    console.print(choice_table(answer))
    for line in choice_lines(answer):
        console.print(line, highlight=False, markup=False)
    if chosen.out and answer.choice.feasible:
        calibration_id = answer.best.system.calibration_id or chosen.calibration_id
        write_text(chosen.out, policy_file_text(answer, calibration_id=calibration_id))
        text = f'wrote {chosen.out}; serve with it: verification.policies = ["{chosen.out}"]'
        console.print(f'{text}, verification.policy = "{request.name}"', markup=False, soft_wrap=True)
    return answer.choice.feasible


def strangers_of(application: Application, folder: Path) -> Strangers:
    """Every clip under `folder` that holds enough speech. Raises InvalidRequestError where there is none."""
    if not folder.is_dir():
        raise InvalidRequestError(f"no folder of strangers' clips at {folder}", field="cohort")
    voices, people = [], []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in CLIP_SUFFIXES):
        try:
            voices.append(application.extractor.extract(read_recording(path)).voiceprint)
        except TooLittleSpeechError:
            continue
        person = path.parent if path.parent != folder else path
        people.append(str(person))
    if not voices:
        suffixes = ", ".join(CLIP_SUFFIXES)
        raise InvalidRequestError(f"{folder} holds no clip ({suffixes}) with enough speech", field="cohort")
    return Strangers(SideConditions.of(voices), np.unique(people, return_inverse=True)[1])


def own_pool(source: VoiceSource, chosen: argparse.Namespace) -> dict[str, CalibrationTrials]:
    """The caller's list as the only pool."""
    trials = read_trials(chosen.trials)
    if not trials.has_speakers:
        print(
            f"{chosen.trials} does not name every speaker: files stand for people, figures are too good",
            file=sys.stderr,
        )
    return {chosen.trials.stem: source.trials_of(f"calibration-{chosen.trials.stem}", trials, chosen.audio_root)}


def configured(chosen: argparse.Namespace) -> EquivoxConfig:
    """The configuration with the embedder asked for."""
    config = load_settings(chosen.config)
    return replace(config, models=replace(config.models, embedder=chosen.embedder)) if chosen.embedder else config


def main() -> None:
    chosen = parsed(__doc__)
    with mistakes_told():
        if not chosen.policy:
            run(chosen, configured(chosen), Console())
        elif not run_policy(chosen, Console()):
            sys.exit(INFEASIBLE)


if __name__ == "__main__":
    main()
