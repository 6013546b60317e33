"""The arms of a mitigation study: ways to repair a transcriber for a cohort, and their runs over seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from training.adaptation import Adaptation
from training.adaptation_recipe import EWC, L2, MethodConfig

BEFORE = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A method. One that is not `trained` is the artifact as it is.

    One with a cohort vector is judged with each talker's cohort told from the file, from the first frame: better than
    live, where it comes softly, of the voice of the latest turn, and for cohorts by label or region never. With voices
    it is told as live of a lone talker from the second turn on.
    """

    name: str
    title: str
    method: MethodConfig = field(default_factory=MethodConfig)
    trained: bool = True

    @property
    def is_told(self) -> bool:
        """Whether it hears of cohorts: told from the file it is an upper bound of what would be served."""
        return self.method.cohort_vector


def _ewc(strength: float, parts: str = "all") -> MethodConfig:
    return MethodConfig(penalty=EWC, strength=strength, parts=parts)


# Each strength times the size of a step and a weight's Fisher information (1 for L2) is how much a step is shortened:
# from hardly at all to nearly whole.
ARMS = {
    arm.name: arm
    for arm in (
        Arm(name=BEFORE, title="before", trained=False),
        Arm(name="plain", title="plain fine-tuning"),
        Arm(name="l2-weak", title="L2, 0.1", method=MethodConfig(penalty=L2, strength=0.1)),
        Arm(name="l2-strong", title="L2, 1", method=MethodConfig(penalty=L2, strength=1.0)),
        Arm(name="ewc-weak", title="EWC, 1e4", method=_ewc(1e4)),
        Arm(name="ewc", title="EWC, 1e5", method=_ewc(1e5)),
        Arm(name="ewc-strong", title="EWC, 1e6", method=_ewc(1e6)),
        Arm(name="ewc-encoder", title="EWC, 1e5, encoder alone", method=_ewc(1e5, "encoder")),
        Arm(name="ewc-predictor", title="EWC, 1e5, predictor alone", method=_ewc(1e5, "predictor")),
        Arm(name="ewc-transducer", title="EWC, 1e5, joint too", method=_ewc(1e5, "transducer")),
        Arm(name="replay", title="replay, half of everybody", method=MethodConfig(everybody_share=0.5)),
        Arm(name="everybody", title="fine-tuning on everybody", method=MethodConfig(everybody_share=1.0)),
        Arm(
            name="oversampling",
            title="oversampling, 4 times",
            method=MethodConfig(everybody_share=1.0, oversampling=4.0),
        ),
        Arm(
            name="vector",
            title="cohort vector",
            method=MethodConfig(everybody_share=1.0, cohort_vector=True),
        ),
        Arm(
            name="vector-oversampling",
            title="cohort vector and oversampling",
            method=MethodConfig(everybody_share=1.0, oversampling=4.0, cohort_vector=True),
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRun:
    """One training of an arm. Its name changes with anything it is made by. `voices`: names those it is told by."""

    arm: str
    adaptation: Adaptation
    voices: str = ""
    starts: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        return self.adaptation.recipe.seed

    @property
    def name(self) -> str:
        by_voice = f"-{self.voices}" if self.voices else ""
        return f"{self.arm}-{self.seed}-{self.adaptation.digest[:8]}{by_voice}"


def arm_runs(whole: Adaptation, arms: Sequence[Arm], seeds: Sequence[int], voices: str = "") -> list[ArmRun]:
    """Seed by seed, so that what is done can be compared at any time; what is not trained, once. `voices`: the digest
    of those that arms are told cohorts by; empty = by the file of cohorts.
    """
    return list(_runs(whole, arms, seeds, voices))


def _runs(whole: Adaptation, arms: Sequence[Arm], seeds: Sequence[int], voices: str) -> Iterator[ArmRun]:
    for seed in seeds:
        for arm in arms:
            if arm.trained or seed == seeds[0]:
                fisher_mixtures = whole.recipe.method.fisher_mixtures
                method = replace(arm.method, fisher_mixtures=fisher_mixtures)
                recipe = replace(whole.recipe, name=arm.name, seed=seed, method=method)
                told_by = voices if arm.is_told else ""
                yield ArmRun(arm=arm.name, adaptation=replace(whole, recipe=recipe), voices=told_by)
