"""Fine-tuning of an artifact for a cohort: a training run that starts from its weights, moves some and holds them."""

from dataclasses import dataclass, replace
from pathlib import Path

from svc.backends.transcriber_artifact import TranscriberArtifact
from svc.errors import InvalidRequestError
from training.adaptation_recipe import EWC, NONE, PARTS, AdaptationRecipe
from training.data.batches import Batch
from training.data.manifest import TRAIN
from training.distributed import World
from training.fisher import Fisher, FisherMaking, kept_fisher
from training.losses.ewc import Anchor
from training.train_transcriber import TranscriberTrainer
from training.transcriber_data import TranscriberData
from training.transcriber_recipe import Stage


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Adaptation:
    """What starts where, for whom."""

    recipe: AdaptationRecipe
    artifact: TranscriberArtifact
    speakers: frozenset[str]

    @property
    def digest(self) -> str:
        """16 hex digits naming all of it."""
        return self.recipe.digest(self.artifact.fingerprint, self.speakers)


class AdaptationTrainer(TranscriberTrainer):
    """A run of an adaptation. Its state after a step depends on the adaptation, the data and the step alone."""

    def __init__(
        self, adaptation: Adaptation, data: TranscriberData, *, out: Path, fisher: Path, world: World | None = None
    ) -> None:
        """`fisher`: where the Fisher information is kept; computed when it is not there.

        Raises InvalidRequestError for units other than the artifact's.
        """
        if data.runtime_units.pieces != adaptation.artifact.units.pieces:
            raise InvalidRequestError("these units are not the artifact's: give those of its training", field="units")
        method = adaptation.recipe.method
        data = replace(data, sampling=method.sampling(adaptation.speakers))
        recipe = adaptation.recipe.training(adaptation.artifact.model.config)
        super().__init__(recipe, data, out=out, world=world or World())
        self.adaptation = adaptation
        self.digest = adaptation.digest
        self.fisher = fisher
        self.anchor: Anchor | None = None
        self._hold_the_rest(PARTS[method.parts])

    def _hold_the_rest(self, parts: tuple[str, ...]) -> None:
        """What does not adapt is not disturbed either: no dropout, no running means."""
        for name, part in self.model.named_children():
            if name not in parts:
                part.eval().requires_grad_(False)

    def begin(self) -> None:
        """From the checkpoint when there is one, else from the artifact."""
        self.model.load_state_dict(self.adaptation.artifact.model.state_dict())
        self._drop_anchor()
        if not self.resumed():
            self.begin_here()

    def _drop_anchor(self) -> None:
        """Where the weights are now, whatever a checkpoint then makes of them."""
        method = self.adaptation.recipe.method
        if method.penalty == NONE:
            return
        adapting = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        importance = self._importance() if method.penalty == EWC else None
        anchor = Anchor(adapting, strength=method.strength, importance=importance)
        self.optimizer.register_step_post_hook(lambda optimizer, args, kwargs: anchor.pull(self.optimizer))
        self.anchor = anchor

    def _importance(self) -> Fisher:
        fisher = fisher_of(self.adaptation, self.data, self.fisher)
        return {name: value.to(self.world.device) for name, value in fisher.items()}

    def _optimise(self, batch: Batch, stage: Stage) -> dict[str, float]:
        penalty = {"penalty": self.anchor.penalty().item()} if self.anchor else {}
        return super()._optimise(batch, stage) | penalty


def fisher_of(adaptation: Adaptation, data: TranscriberData, path: Path) -> Fisher:
    """Of the artifact on mixtures like the stage's, but of everybody; from the file, or else computed and put there.

    Raises ArtifactError when the file is of anything else.
    """
    recipe = adaptation.recipe
    making = FisherMaking(
        weights=adaptation.artifact.fingerprint,
        mixtures=recipe.stage.mixtures,
        losses=recipe.stage.losses,
        number=recipe.method.fisher_mixtures,
        utterances=tuple(sorted(spoken.utterance_id for spoken in data.utterances[TRAIN])),
    )
    return kept_fisher(path, making, adaptation.artifact.model, data)
