"""Fine-tuning of an artifact for a cohort: a training run that starts from its weights, moves some and holds them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from svc.backends.transcriber_artifact import TranscriberArtifact
from svc.errors import InvalidRequestError
from svc.models.amortised_transformer import Arbitrator
from training.adaptation_recipe import EWC, NONE, PARTS, AdaptationRecipe
from training.data.batches import Batch
from training.data.cohort_vectors import NO_COHORTS, CohortVectors
from training.data.manifest import TRAIN
from training.distributed import World
from training.fairness.cohorts.cohort import Cohorts
from training.fisher import Fisher, FisherMaking, kept_fisher
from training.losses.ewc import Anchor
from training.train_transcriber import TranscriberTrainer
from training.transcriber_data import TranscriberData
from training.transcriber_recipe import Stage, TranscriberRecipe

# The model's input for cohorts, and where its centroids lie.
FROM_COHORT = "from_cohort"
CENTROIDS = f"{FROM_COHORT}.centroids"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Adaptation:
    """What starts where, for which of the cohorts."""

    recipe: AdaptationRecipe
    artifact: TranscriberArtifact
    cohorts: Cohorts
    name: str

    def __post_init__(self) -> None:
        self.cohorts.named(self.name)

    @property
    def speakers(self) -> frozenset[str]:
        """Of the cohort that is adapted to."""
        return frozenset(self.cohorts.named(self.name).speakers)

    @property
    def digest(self) -> str:
        """16 hex digits naming all of it."""
        told = self.vectors().number_of.items()
        return self.recipe.digest(self.artifact.fingerprint, {*self.speakers, *(f"{who} {of}" for who, of in told)})

    def vectors(self, unknown_share: float = 0.0) -> CohortVectors:
        """What the encoder is told of talkers."""
        if not self.recipe.method.cohort_vector:
            return NO_COHORTS
        return CohortVectors(
            number_of=self.cohorts.number_of, num_cohorts=len(self.cohorts), unknown_share=unknown_share
        )

    def training(self) -> TranscriberRecipe:
        """As the trainer takes it."""
        model, centroids = self.artifact.model.config, self.cohorts.centroids
        if self.recipe.method.cohort_vector:
            voice_width = model.voice_width if centroids is None else centroids.shape[1]
            embedder = self.cohorts.embedder
            model = replace(model, cohort_width=len(self.cohorts), voice_width=voice_width, voice_embedder=embedder)
        return replace(self.recipe.training(model), turn_tokens=self.artifact.turn_tokens)


class AdaptationTrainer(TranscriberTrainer):
    """A run of an adaptation. On one CPU its state after a step depends on that, the data and the step alone."""

    def __init__(
        self, adaptation: Adaptation, data: TranscriberData, *, out: Path, fisher: Path, world: World | None = None
    ) -> None:
        """`fisher`: where the Fisher information is kept; computed when it is not there.

        Raises InvalidRequestError for units other than the artifact's.
        """
        if data.runtime_units.pieces != adaptation.artifact.units.pieces:
            raise InvalidRequestError("these units are not the artifact's: give those of its training", field="units")
        method = adaptation.recipe.method
        sampling, cohorts = method.sampling(adaptation.speakers), adaptation.vectors(method.unknown_share)
        self.adaptation = adaptation
        data = replace(data, sampling=sampling, cohorts=cohorts, turn_tokens=adaptation.artifact.turn_tokens)
        super().__init__(adaptation.training(), data, out=out, world=world or World())
        self.digest = adaptation.digest
        self.fisher = fisher
        self.anchor: Anchor | None = None
        self._hold_the_rest((*PARTS[method.parts], *([FROM_COHORT] if method.cohort_vector else [])))

    def _groups(self) -> list[dict[str, Any]]:
        """Those of the base class, and what is new by itself."""
        new = list(self.model.from_cohort.parameters()) if self.model.from_cohort else []
        known = set(map(id, new))
        groups = super()._groups()
        for group in groups:
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in known]
        return [*groups, {"params": new, "share": self.adaptation.recipe.method.cohort_rate}] if new else groups

    def _hold_the_rest(self, parts: tuple[str, ...]) -> None:
        """What does not adapt is not disturbed either: no dropout.

        Of what adapts, batch norms keep the statistics the artifact is served with, and with which its Fisher
        information is computed: no penalty holds them. Arbitrators stay: they decide without a gradient, so nothing
        says what they matter.
        """
        for name, part in self.model.named_children():
            if name not in parts:
                part.eval().requires_grad_(False)
        for module in self.model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
            elif isinstance(module, Arbitrator):
                module.eval().requires_grad_(False)

    def begin(self) -> None:
        """From the checkpoint when there is one, else from the artifact."""
        self.tell_passed_over()
        self.model.load_state_dict({**self.model.state_dict(), **self._first_weights()})
        self._drop_anchor()
        if not self.resumed():
            self.begin_here()

    def _first_weights(self) -> dict[str, Tensor]:
        """The artifact's, without its cohorts where others take their place."""
        weights: dict[str, Tensor] = self.adaptation.artifact.model.state_dict()
        if not self.adaptation.recipe.method.cohort_vector:
            return weights
        weights = {name: value for name, value in weights.items() if not name.startswith(FROM_COHORT)}
        centroids = self.adaptation.cohorts.centroids
        return weights if centroids is None else {**weights, CENTROIDS: torch.from_numpy(centroids)}

    def _drop_anchor(self) -> None:
        """Where the weights are now, whatever a checkpoint then makes of them. What is new is held by nothing."""
        method = self.adaptation.recipe.method
        if method.penalty == NONE:
            return
        held = (pair for pair in self.model.named_parameters() if not pair[0].startswith(FROM_COHORT))
        adapting = {name: value for name, value in held if value.requires_grad}
        importance = self._importance() if method.penalty == EWC else None
        anchor = Anchor(adapting, strength=method.strength, importance=importance)
        self.optimizer.register_step_post_hook(lambda optimizer, args, kwargs: anchor.pull(self.optimizer))
        self.anchor = anchor

    def _importance(self) -> Fisher:
        fisher = fisher_of(self.adaptation, self.data, self.fisher)
        return {name: value.to(self.world.device) for name, value in fisher.items()}

    def _optimise(self, batch: Batch, stage: Stage) -> dict[str, float]:
        penalty = {"penalty": self.anchor.penalty()} if self.anchor else {}
        return super()._optimise(batch, stage) | penalty


def fisher_of(adaptation: Adaptation, data: TranscriberData, path: Path) -> Fisher:
    """Of the artifact on mixtures like the stage's, but of everybody; from the file, or else computed and put there.

    The artifact is told of no cohort, whatever the adaptation's are: it may have learnt others, or none.

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
    data = replace(data, cohorts=NO_COHORTS, turn_tokens=adaptation.artifact.turn_tokens)
    return kept_fisher(path, making, adaptation.artifact.model, data)
