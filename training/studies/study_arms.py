"""The arms of a fairness study: every method of `fairness.method`, and the readings of the reweighting that differ.

An arm is a recipe with a method, a reading of a pair's loss and what the adversary is told; all else is the recipe's.
Of `aps` with regions there is no arm: an adversary that is told regions and weighs samples is `pl`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from training.embedder_recipe import EmbedderRecipe
from training.fairness.methods import Method
from training.losses.speaker_scores import PairForm

UNIFORM = "uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """`against`: the arm of the same loss without a method. Without `regions` the adversary sees embeddings alone.

    One that is not `trained` is what all others start from, the same for every seed if those are published weights.
    """

    name: str
    title: str
    method: Method
    against: str = UNIFORM
    pairs: PairForm = "softmax"
    regions: bool = True
    trained: bool = True

    def recipe_of(self, whole: EmbedderRecipe, seed: int) -> EmbedderRecipe:
        """The recipe with this method."""
        reweighting = whole.fairness.reweighting
        if not self.regions:
            reweighting = replace(reweighting, regions=replace(reweighting.regions, feature="none"))
        fairness = replace(whole.fairness, method=self.method, reweighting=reweighting)
        loss = replace(whole.loss, pairs=self.pairs)
        return replace(whole, name=f"{whole.name}-{self.name}", seed=seed, fairness=fairness, loss=loss)


BINARY = "uniform-binary"
# The first two are what the paper compares, and are run first.
ARMS = {
    arm.name: arm
    for arm in (
        Arm(name=UNIFORM, title="uniform", method="uniform"),
        Arm(name="pw", title="PW, weights in the softmax", method="pw"),
        Arm(name=BINARY, title="uniform, binary pairs", method="uniform", pairs="binary", against=BINARY),
        Arm(name="pw-binary", title="PW, binary pairs", method="pw", pairs="binary", against=BINARY),
        Arm(name="pw-blind", title="PW, softmax, without regions", method="pw", regions=False),
        Arm(
            name="pw-binary-blind",
            title="PW, binary, without regions",
            method="pw",
            pairs="binary",
            against=BINARY,
            regions=False,
        ),
        Arm(name="aps", title="APS", method="aps", regions=False),
        Arm(name="pl", title="PL", method="pl"),
        Arm(name="start", title="not adapted", method="uniform", trained=False),
        Arm(name="group-balanced", title="group-balanced (labels)", method="group-balanced"),
        Arm(name="group-dro", title="GroupDRO (labels)", method="group-dro"),
        Arm(name="cvar-dro", title="CVaR-DRO", method="cvar-dro"),
        Arm(name="v-rex", title="V-REx (labels)", method="v-rex"),
        Arm(name="multi-task", title="multi-task head (labels)", method="multi-task"),
        Arm(name="group-adapted-fusion", title="group-adapted fusion (labels)", method="group-adapted-fusion"),
    )
}
FIRST = (UNIFORM, "pw")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRun:
    """One training of an arm. Its name changes with anything it is made by."""

    arm: str
    recipe: EmbedderRecipe
    starts: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @property
    def name(self) -> str:
        return f"{self.arm}-{self.seed}-{self.recipe.digest[:8]}"


def arm_runs(whole: EmbedderRecipe, arms: Sequence[Arm], seeds: Sequence[int]) -> list[ArmRun]:
    """All seeds of the first two arms, then the others seed by seed: what is done can be compared at any time."""
    return list(_runs(whole, arms, seeds))


def _runs(whole: EmbedderRecipe, arms: Sequence[Arm], seeds: Sequence[int]) -> Iterator[ArmRun]:
    first = [arm for arm in arms if arm.name in FIRST]
    rest = [arm for arm in arms if arm.name not in FIRST]
    for some in (first, rest):
        for seed in seeds:
            yield from (ArmRun(arm=arm.name, recipe=arm.recipe_of(whole, seed)) for arm in some)
