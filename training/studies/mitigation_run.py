"""One run of a mitigation study, resumable: fine-tuning, then the word errors of every held-out talker."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from svc.models.transcriber import Transcriber
from training.adaptation import AdaptationTrainer
from training.data.cohort_vectors import CohortVectors
from training.data.manifest import TEST
from training.data.rendering import Sounds
from training.data.speech_store import SpeechStore
from training.data.utterances import Utterance, read_utterances
from training.embed_speakers import Voices
from training.fairness.cohorts.speaker_errors import SpeakerErrors
from training.heard_alone import hear_alone
from training.report_json import write_json
from training.studies.ablation_run import alone_in
from training.studies.mitigation_arms import ARMS, ArmRun
from training.training_curves import TrainingCurves
from training.transcriber_data import DataPaths, TranscriberData

SCORES, FISHER = "scores.json", "fisher.pt"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bench:
    """Where runs are kept, what they learn from, and what is said by those who judge them. `voices`: of theirs, by
    which a run that is told cohorts is told them; None = by the file of cohorts.
    """

    out: Path
    data_of: Callable[[int], TranscriberData]
    judged: Sequence[Utterance]
    sounds: Sounds
    voices: Voices | None = None


def bench_at(out: Path, paths: DataPaths, *, domains: Sequence[str], voices: Voices | None = None) -> Bench:
    """On the real data: whole utterances of the test talkers, as they were recorded."""
    judged = judged_utterances(paths, domains=domains)
    return Bench(
        out=out,
        data_of=lambda seed: TranscriberData.open(paths, seed=seed, workers=0),
        judged=judged,
        sounds=Sounds(SpeechStore.open(judged, root=paths.root, folder=paths.cache)),
        voices=voices,
    )


def judged_utterances(paths: DataPaths, *, domains: Sequence[str]) -> list[Utterance]:
    """All that test talkers say in these domains."""
    everything = read_utterances(paths.utterances)
    return [spoken for spoken in everything if spoken.split == TEST and spoken.domain in domains and spoken.words]


def is_done(run: ArmRun, out: Path) -> bool:
    """Trained to its end and judged."""
    return (out / run.name / SCORES).exists()


def do(run: ArmRun, bench: Bench) -> None:
    """Trains the rest of the run and judges it. Raises ArtifactError when another process is at it."""
    folder = bench.out / run.name
    with alone_in(folder):
        data = bench.data_of(run.seed)
        model = run.adaptation.artifact.model
        if ARMS[run.arm].trained:
            trainer = AdaptationTrainer(run.adaptation, data, out=folder, fisher=bench.out / FISHER)
            trainer.begin()
            steps = run.adaptation.recipe.stage.steps
            with TrainingCurves(folder / "curves", total_steps=steps, first_step=trainer.step) as curves:
                trainer.run(curves)
            model = trainer.averaged_model()
        told = told_by_voice(model, bench.voices) if run.voices and bench.voices else run.adaptation.vectors()
        turn_tokens = run.adaptation.artifact.turn_tokens
        errors = hear_alone(model, bench.judged, bench.sounds, data.units, cohorts=told, turn_tokens=turn_tokens)
        write_errors(folder / SCORES, errors)


@torch.no_grad()
def told_by_voice(model: Transcriber, voices: Voices) -> CohortVectors:
    """What a live stream tells the model of these talkers. Raises ValueError when the model hears of no cohorts."""
    if model.from_cohort is None:
        raise ValueError("this transcriber has no cohort vector")
    shares = model.from_cohort.shares(torch.from_numpy(np.stack([*voices.of.values()])))
    told = dict(zip(voices.of, shares.numpy(), strict=True))
    return CohortVectors(number_of={}, num_cohorts=model.config.cohort_width, shares_of=told)


def write_errors(path: Path, errors: SpeakerErrors) -> None:
    """Errors and words by talker and domain."""
    names = {"speakers": list(errors.speakers), "domains": list(errors.domains)}
    write_json(path, {**names, "errors": errors.errors.tolist(), "words": errors.words.tolist()})


def read_errors(path: Path) -> SpeakerErrors | None:
    """None when there are none yet."""
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return SpeakerErrors(
        speakers=tuple(found["speakers"]),
        domains=tuple(found["domains"]),
        errors=np.array(found["errors"]),
        words=np.array(found["words"]),
    )
