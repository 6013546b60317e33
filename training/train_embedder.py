"""Trains a speaker verifier, fair or not.

    python -m training.train_embedder training/configs/verifier/campplus-head.toml --out runs/head

Alone, or on many processes with the same configuration: `torchrun --nproc_per_node 2 -m training.train_embedder ..`;
the losses are then over all pairs of all processes' talkers. The run keeps a checkpoint every few minutes and goes on
from it when started again, on one CPU to the very bit. Curves: `tensorboard --logdir DIR`. A recipe that begins with
`base = "ecapa-tiny.toml"` is the one beside it but for what it says itself.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svc.backends.store import ModelStore
from svc.config import default_cache
from training.checkpoint import Checkpoint, checkpoint_of, save_checkpoint
from training.command_line import mistakes_told
from training.data.speaker_batches import SpeakerBatch
from training.distributed import World, joined_world
from training.embedder_data import DataPaths, EmbedderData, open_data
from training.embedder_recipe import EmbedderRecipe, read_recipe
from training.embedder_validation import validation_figures
from training.fairness.methods import make_weighting
from training.fairness.weighting import BatchTerms, BlindWeighting, GroupWeighting, Weighed, Weighting, terms_of
from training.losses.speaker_loss import make_speaker_loss
from training.shared_norms import share_norms
from training.skipped_steps import SkippedSteps
from training.trained_embedder import TrainedEmbedder, make_embedder
from training.training_curves import TrainingCurves
from training.training_run import first_ranks_curves, run_parser, saved, timed

VALIDATION_BATCH = 32


class EmbedderTrainer:
    """A run of a recipe. Its state after a step depends on the recipe, the data, the first weights and the step alone.

    Letters: N speakers over all ranks, M utterances of each, D embedding width, Q queries.
    """

    def __init__(
        self, recipe: EmbedderRecipe, data: EmbedderData, embedder: TrainedEmbedder, *, out: Path, world: World
    ) -> None:
        self.recipe = recipe
        self.data = data
        self.out = out
        self.world = world
        torch.manual_seed(recipe.seed)
        width = recipe.embedder.width
        share_norms(embedder, world)
        self.embedder = embedder.to(world.device).train()
        self.loss = make_speaker_loss(recipe.loss, width=width, num_speakers=data.num_speakers).to(world.device)
        self.weighting: Weighting = make_weighting(
            recipe.fairness, width=width, num_groups=len(data.group_names), seed=recipe.seed
        ).to(world.device)
        self.parts = nn.ModuleDict({"embedder": self.embedder, "loss": self.loss, "weighting": self.weighting})
        self.wrapped = world.wrap(self.embedder, partly_used=False)
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=recipe.optimiser.weight_decay, fused=True)
        self.step = 0
        self.skipped = SkippedSteps(self.embedder)

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with what each group multiplies the learning rate by; an adversary steps by itself."""
        mine = [parameter for parameter in self.embedder.parameters() if parameter.requires_grad]
        return [
            {"params": mine, "share": self.recipe.optimiser.embedder_rate},
            {"params": self.new_parameters(), "share": 1.0},
        ]

    def new_parameters(self) -> list[nn.Parameter]:
        """The loss's and the method's, which every rank holds and steps alike."""
        own = [] if isinstance(self.weighting, BlindWeighting) else list(self.weighting.parameters())
        return [*self.loss.parameters(), *own]

    def start(self) -> None:
        """From the checkpoint when there is one. Raises ArtifactError when it is another recipe's."""
        checkpoint = checkpoint_of(self.out, self.recipe.digest)
        if checkpoint is None:
            return
        self.step = checkpoint.step
        self.parts.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        torch.set_rng_state(checkpoint.random_state)

    def run(self, curves: TrainingCurves | None) -> None:
        """To the recipe's last step."""
        for terms in saved(self.remaining_steps(), self.save, self.world):
            if curves is not None:
                self._tell(curves, terms)

    def remaining_steps(self) -> Iterator[dict[str, float]]:
        """Yields the figures of each step."""
        batches = self.data.batches(first_step=self.step, world=self.world)
        return timed(islice(batches, self.recipe.steps - self.step), self._advance)

    def _advance(self, batch: SpeakerBatch) -> dict[str, float]:
        figures = self._optimise(batch)
        self.step += 1
        if self.step % self.data.schedule.steps_per_epoch == 0:
            self.weighting.end_epoch()
        return figures

    def _optimise(self, batch: SpeakerBatch) -> dict[str, float]:
        """One step of the embedder, then one of the method on the same batch; neither without finite gradients."""
        optimiser = self.recipe.optimiser
        rate = optimiser.rate_at(self.step, self.recipe.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        self.skipped.begin()
        terms, groups = self.terms(batch)
        weighed = self.weighed(terms, groups)
        weighed.loss.backward()  # type: ignore[no-untyped-call]
        self.world.average_gradients(self.new_parameters())
        learned = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(learned, optimiser.max_gradient_norm)
        figures = {"loss": float(weighed.loss.detach()), "gradient": float(norm), "rate": rate}
        if not norm.isfinite():
            self.skipped.skip(self.step + 1)
            return figures
        self.skipped.taken()
        self.optimizer.step()
        groups_asking = terms.scores.of_queries(groups)
        return figures | self.weighting.learn(terms) | self._weights_by_group(weighed.weights, groups_asking)

    def terms(self, batch: SpeakerBatch) -> tuple[BatchTerms, Tensor]:
        """This rank's batch -> the losses of all ranks' batches joined, and (N, M) groups."""
        mine = self.wrapped(batch.inputs).view(*batch.groups.shape, -1)  # (N / ranks, M, D)
        speakers = self.world.joined(batch.speakers)  # (N,)
        return terms_of(self.world.joined(mine), lambda given: self.loss(given, speakers)), self.world.joined(
            batch.groups
        )

    def weighed(self, terms: BatchTerms, groups: Tensor) -> Weighed:
        """The method's loss; groups go to those methods alone whose type asks for them."""
        match self.weighting:
            case GroupWeighting() as told:
                return told.weigh_groups(terms, groups)
            case BlindWeighting() as blind:
                return blind.weigh(terms)
            case unknown:
                raise TypeError(f"{unknown} is neither a blind nor a group-aware method")

    def _weights_by_group(self, weights: Tensor, groups: Tensor) -> dict[str, float]:
        """(Q,) weights and groups -> mean weight of each group in the batch. For the curves: no loss ever sees it."""
        means = {}
        for number, name in enumerate(self.data.group_names):
            if (mine := groups == number).any():
                means[f"weight {name}"] = float(weights[mine].mean())
        return means

    def save(self) -> None:
        """Everything a later start needs."""
        checkpoint = Checkpoint(
            step=self.step,
            recipe=self.recipe.digest,
            model=self.parts.state_dict(),
            averaged={},
            optimizer=self.optimizer.state_dict(),
            random_state=torch.get_rng_state(),
        )
        save_checkpoint(self.out, checkpoint)

    def _tell(self, curves: TrainingCurves, figures: dict[str, float]) -> None:
        curves.step(self.step, self.recipe.fairness.method, figures)
        if self.step == self.recipe.steps or self.step % self.recipe.validate_every == 0:
            curves.say(self.step, self.validated())

    @torch.no_grad()
    def validated(self) -> dict[str, float]:
        """EER on dev talkers; nothing without any."""
        dev = self.data.validation
        if dev is None:
            return {}
        self.embedder.eval()
        parts = (dev.inputs[first : first + VALIDATION_BATCH] for first in range(0, len(dev.inputs), VALIDATION_BATCH))
        embeddings = torch.cat([self.embedded(part.to(self.world.device)) for part in parts])
        self.embedder.train()
        return validation_figures(embeddings, dev, self.data.group_names)

    def embedded(self, inputs: Tensor) -> Tensor:
        """Inputs of B cuts -> (B, D) as a service would have them."""
        embeddings: Tensor = self.embedder(inputs)
        return self.weighting.adapted(embeddings)


def run(chosen: argparse.Namespace) -> None:
    """Trains to the end of the recipe; every rank runs this."""
    recipe = read_recipe(chosen.recipe)
    # Another recipe's --out is told before an hour of decoding.
    checkpoint_of(chosen.out, recipe.digest)
    with joined_world() as world:
        torch.manual_seed(recipe.seed)
        embedder = make_embedder(recipe.embedder, ModelStore(default_cache()))
        paths = DataPaths(root=chosen.root, cache=chosen.cache)
        data = open_data(recipe, paths, embedder, workers=chosen.workers)
        trainer = EmbedderTrainer(recipe, data, embedder, out=chosen.out, world=world)
        trainer.start()
        with first_ranks_curves(chosen.out, world, total_steps=recipe.steps, first_step=trainer.step) as curves:
            trainer.run(curves)
        if world.is_first:
            print(f"{chosen.out} holds all {recipe.steps} steps; training.export_embedder makes the artifact")


def parsed() -> argparse.Namespace:
    return run_parser(__doc__, recipes="training/configs/verifier").parse_args()


def main() -> None:
    with mistakes_told():
        run(parsed())


if __name__ == "__main__":
    main()
