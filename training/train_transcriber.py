"""Trains a transcriber.

    python -m training.train_transcriber training/configs/english-turns.toml --utterances U --units F --out DIR

Alone, or on many processes with the same configuration: `torchrun --nproc_per_node 2 -m training.train_transcriber ..`.
The run keeps a checkpoint every few minutes and goes on from it when started again, on one CPU to the very bit.
With --encoder the recipe trains another encoder, one of those in training/configs/encoders. A recipe that begins with
`base = "english.toml"` is the one beside it but for what it says itself.
Stages that do not need each other can be runs of their own, side by side; --separator and --recogniser join them, or
start from an artifact when no run is left.
`python -m training.export_transcriber` makes the artifact that the service loads. Curves: `tensorboard --logdir DIR`.
"""

import argparse
import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svc.models.amortised_transformer import Arbitrator
from svc.models.transcriber import Transcriber
from training.checkpoint import Checkpoint, checkpoint_of, save_checkpoint
from training.command_line import mistakes_told
from training.data.batches import Batch
from training.distributed import World, joined_world
from training.losses.transcriber_loss import LossTerms
from training.shared_norms import share_norms
from training.skipped_steps import SkippedSteps
from training.start_transcriber import (
    FROM_NOTHING,
    check_spelling,
    check_start,
    parts_digest,
    start_from,
    take_parts,
    units_digest,
)
from training.training_curves import TrainingCurves
from training.training_run import first_ranks_curves, run_parser, saved, timed
from training.transcriber_data import DataPaths, TranscriberData, add_speech
from training.transcriber_recipe import Stage, TranscriberRecipe, read_recipe
from training.transcriber_step import TrainingStep, bf16_pays
from training.transcriber_validation import validate


class TranscriberTrainer:
    """A run of a recipe. On one CPU its state after a step depends on the recipe, the data and the step alone."""

    def __init__(self, recipe: TranscriberRecipe, data: TranscriberData, *, out: Path, world: World) -> None:
        self.recipe = recipe
        self.data = data
        self.out = out
        self.world = world
        torch.manual_seed(recipe.seed)
        self.model = Transcriber(replace(recipe.model, num_tokens=data.num_tokens)).to(world.device)
        self.averaged: dict[str, Tensor] = {}
        share_norms(self.model, world)
        # Stages switch losses off, and with them whole heads.
        self.step_module = world.wrap(TrainingStep(self.model, world.mean))
        # One kernel over all weights: on a CPU too it takes a fraction of the time of one after the other.
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=recipe.optimiser.weight_decay, fused=True)
        self.bf16 = bf16_pays(recipe.optimiser.precision, world.device)
        self.step = 0
        self.skipped = SkippedSteps(self.model)
        # What its checkpoints are of.
        self.digest = recipe.digest
        self.started_from = ""

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with what each group multiplies the learning rate by."""
        new = {id(parameter) for parameter in self._new_in_encoder()}
        encoder = [parameter for parameter in self.model.encoder.parameters() if id(parameter) not in new]
        known = set(map(id, encoder))
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in known]
        return [{"params": others, "share": 1.0}, {"params": encoder, "share": self.recipe.optimiser.encoder_rate}]

    def _new_in_encoder(self) -> Iterator[nn.Parameter]:
        """What no pretrained encoder has: arbitrators."""
        for module in self.model.encoder.modules():
            if isinstance(module, Arbitrator):
                yield from module.parameters()

    def start(
        self, *, separator: Path | None = None, recogniser: Path | None = None, encoder: Path | None = None
    ) -> None:
        """From the checkpoint when there is one, else from what the recipe says, or parts of runs and artifacts."""
        self.tell_passed_over()
        given = parts_digest(separator=separator, recogniser=recogniser, encoder=encoder)
        if not self.resumed(given):
            self.started_from = given or FROM_NOTHING
            self.data.set_statistics(self.model, self.recipe.stages[-1].mixtures)
            start_from(self.recipe.start, self.model, self.data)
            units = self.data.runtime_units
            take_parts(self.model, separator=separator, recogniser=recogniser, encoder=encoder, units=units)
            if separator is None and not self.recipe.learns_to_separate:
                self.model.separator.hear_all_as_one()
            self.begin_here()

    def tell_passed_over(self) -> None:
        """On stderr: what the recipe asks for and the data has not."""
        if self.world.is_first:
            for line in self.data.passed_over(self.recipe.stages):
                print(line, file=sys.stderr)

    def begin_here(self) -> None:
        """From the weights the model has: they are the first average."""
        self.world.seed_noise(self.recipe.seed, self.step, torch.get_rng_state())
        self.averaged = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def resumed(self, given: str = "") -> bool:
        """Whether there was a checkpoint; if so, all is as it was when it was saved. `given`: of parts_digest.

        Raises ArtifactError when it is of another recipe, of other words, or known to have begun with other weights.
        """
        checkpoint = checkpoint_of(self.out, self.digest)
        if checkpoint is None:
            return False
        check_spelling(checkpoint, self.data.runtime_units, self.out)
        check_start(checkpoint, given, self.out)
        self.started_from = checkpoint.started_from
        self.step = checkpoint.step
        self.model.load_state_dict(checkpoint.model)
        self.averaged = {name: value.to(self.world.device) for name, value in checkpoint.averaged.items()}
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.world.seed_noise(self.recipe.seed, self.step, checkpoint.random_state)
        return True

    def run(self, curves: TrainingCurves | None) -> None:
        """To the end of the last stage."""
        for number, terms in saved(self._remaining_steps(), self.save, self.world):
            if curves is not None:
                self._tell(curves, number, terms)

    def _remaining_steps(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields the stage's number and the losses of each step."""
        while self.step < self.recipe.num_steps:
            number, done = self.recipe.stage_at(self.step)
            for terms in self.stage_steps(number, done):
                yield number, terms

    def stage_steps(self, number: int, done: int) -> Iterator[dict[str, float]]:
        """The rest of a stage, yielding the losses of each step."""
        stage = self.recipe.stages[number]
        batches = self.data.batches(stage, number, first_step=done, world=self.world)
        return timed(batches, lambda batch: self._optimise(batch, stage))

    def _optimise(self, batch: Batch, stage: Stage) -> dict[str, float]:
        """One step of the optimiser; the losses before it, averaged over ranks."""
        rate = self.recipe.learning_rate_at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        self.skipped.begin()
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.bf16):
            losses: LossTerms = self.step_module(batch, stage)
        losses.total.backward()  # type: ignore[no-untyped-call]
        limit = self.recipe.optimiser.max_gradient_norm
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        if norm.isfinite():
            self.optimizer.step()
            self._average()
            self.skipped.taken()
        else:
            self.skipped.skip(self.step + 1)
        self.step += 1
        plain = losses.plain() | {"gradient": float(norm)}
        mean = self.world.mean(torch.tensor(list(plain.values()), device=self.world.device))
        return dict(zip(plain, mean.tolist(), strict=True)) | {"rate": rate}

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the averaged weights towards the current ones, faster at first, when there is little to average."""
        kept = min(self.recipe.optimiser.averaging, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.averaged[name].lerp_(value, 1 - kept)
            else:
                self.averaged[name].copy_(value)

    def save(self) -> None:
        """Everything a later start needs."""
        checkpoint = Checkpoint(
            step=self.step,
            recipe=self.digest,
            model=self.model.state_dict(),
            averaged=self.averaged,
            optimizer=self.optimizer.state_dict(),
            random_state=torch.get_rng_state(),
            units=units_digest(self.data.runtime_units),
            started_from=self.started_from,
        )
        save_checkpoint(self.out, checkpoint)

    def _tell(self, curves: TrainingCurves, number: int, terms: dict[str, float]) -> None:
        stage = self.recipe.stages[number]
        curves.step(self.step, stage.name, terms)
        due = self.step == self.recipe.num_steps or self.step % self.recipe.validate_every == 0
        if due and stage.learns_words and self.data.hears_dev(stage.mixtures):
            curves.say(self.step, self.validated(stage))

    def validated(self, stage: Stage) -> dict[str, float]:
        """The averaged weights on mixtures like the stage's, of dev talkers."""
        examples = self.data.validation(stage.mixtures, self.recipe.validation_mixtures)
        separated = stage.trains == "recogniser"
        return validate(self.averaged_model(), examples, self.data.runtime_units, separated=separated)

    def averaged_model(self) -> Transcriber:
        """A model of the averaged weights, in evaluation."""
        averaged = copy.deepcopy(self.model).eval()
        averaged.load_state_dict(self.averaged)
        return averaged


def flush_denormals() -> None:
    """Of this thread, for good: whoever trains in a process of its own calls it first.

    In an LSTM gradients fade from frame to frame into denormal numbers, and with these its backward pass takes ten
    times as long.
    """
    torch.set_flush_denormal(True)


def run(chosen: argparse.Namespace) -> None:
    """Trains to the end of the recipe; every rank runs this."""
    flush_denormals()
    recipe = read_recipe(chosen.recipe, encoder=chosen.encoder)
    # Another recipe's --out is told before an hour of decoding.
    checkpoint_of(chosen.out, recipe.digest)
    paths = replace(DataPaths.of(chosen), synthesised=chosen.synthesised)
    with joined_world() as world:
        data = TranscriberData.open(paths, seed=recipe.seed, workers=chosen.workers, turn_tokens=recipe.turn_tokens)
        trainer = TranscriberTrainer(recipe, data, out=chosen.out, world=world)
        trainer.start(separator=chosen.separator, recogniser=chosen.recogniser, encoder=chosen.encoder_of)
        with first_ranks_curves(chosen.out, world, total_steps=recipe.num_steps, first_step=trainer.step) as curves:
            trainer.run(curves)
        if world.is_first:
            print(f"{chosen.out} holds all {recipe.num_steps} steps; training.export_transcriber makes the artifact")


def parsed() -> argparse.Namespace:
    parser = run_parser(__doc__, recipes="training/configs")
    add_speech(parser)
    parser.add_argument("--synthesised", type=Path, help="train on this folder of training.data.synthesise besides")
    parser.add_argument("--encoder", type=Path, help="of training/configs/encoders, in place of the recipe's own")
    parser.add_argument("--separator", type=Path, help="start with the separator of this run's --out, or artifact")
    parser.add_argument("--recogniser", type=Path, help="and with all the rest of this one's")
    parser.add_argument("--encoder-of", type=Path, help="and with the encoder of this one, which may know other words")
    return parser.parse_args()


def main() -> None:
    with mistakes_told():
        run(parsed())


if __name__ == "__main__":
    main()
