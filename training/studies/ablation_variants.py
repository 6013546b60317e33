"""The variants of the ablation study, and the runs that train them: each a few switches away from one recipe.

The recipe is the whole model's. A variant trains its stages as up to three runs: the separator's, the recogniser's, and
the rest, which starts from those two. What is equal for several variants is one run, so they start from the same
weights, and the first two parts know nothing of the losses the study is about.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from training.data.arrangement import Arrangement
from training.losses.arc_biases import LatencyPenalty
from training.losses.transcriber_loss import LossConfig
from training.transcriber_recipe import Stage, TranscriberRecipe

# As many as fit into an hour of audio or two: what a corpus of simulated mixtures on disk would hold here.
FIXED_MIXTURES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What of the recipe is used; `title` says it in a table."""

    name: str
    title: str
    turn_tokens: bool = True
    fastemit: bool = True
    activity: bool = True
    latency_penalty: bool = True
    arrangement: Arrangement = "overlap"
    fixed_mixtures: int = 0

    def recipe_of(self, whole: TranscriberRecipe, seed: int) -> TranscriberRecipe:
        """The recipe with these switches set."""
        stages = tuple(self._stage(stage) for stage in whole.stages)
        return replace(whole, seed=seed, turn_tokens=self.turn_tokens, stages=stages)

    def _stage(self, stage: Stage) -> Stage:
        """One talker at a time is all the same to the arrangement, and is never the simulation of overlap."""
        if stage.trains == "recogniser":
            return stage
        return replace(
            stage,
            mixtures=replace(stage.mixtures, arrangement=self.arrangement),
            losses=self._losses(stage.losses) if stage.trains == "all" else stage.losses,
            fixed_mixtures=self.fixed_mixtures,
        )

    def _losses(self, losses: LossConfig) -> LossConfig:
        terms = losses.transducer_terms
        if not self.fastemit:
            terms = replace(terms, fastemit=0.0)
        if not self.latency_penalty:
            terms = replace(terms, start_of_turn=LatencyPenalty(), end_of_turn=LatencyPenalty())
        return replace(losses, transducer_terms=terms, activity=losses.activity if self.activity else 0.0)


# Each of the first five adds one thing to the one before it; the last two are the whole but for one thing.
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            name="words",
            title="two-output transducer, words alone",
            turn_tokens=False,
            fastemit=False,
            activity=False,
            latency_penalty=False,
        ),
        Variant(name="tokens", title="+ `<sot>`, `<eot>`", fastemit=False, activity=False, latency_penalty=False),
        Variant(name="fastemit", title="+ FastEmit", activity=False, latency_penalty=False),
        Variant(name="activity", title="+ speech activity", latency_penalty=False),
        Variant(name="whole", title="+ latency penalty = the whole"),
        Variant(name="heat", title="the whole, arranged by HEAT", arrangement="heat"),
        Variant(name="fixed", title="the whole, on fixed mixtures", fixed_mixtures=FIXED_MIXTURES),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A recogniser that a study did not make: the folder of a run or an artifact, and what names its weights."""

    folder: Path
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationRun:
    """One training. `parts`: what it starts with -> the run of the study that made it, by its name. A start itself has
    no `variant`.
    """

    name: str
    recipe: TranscriberRecipe
    variant: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None

    @property
    def starts(self) -> tuple[str, ...]:
        """Runs that must be done before."""
        return tuple(self.parts.values())

    def folders(self, out: Path) -> dict[str, Path]:
        """What it starts with -> where it is, in the folder of the study or outside it."""
        outside = {"recogniser": self.source.folder} if self.source else {}
        return {part: out / name for part, name in self.parts.items()} | outside


def runs_of(whole: TranscriberRecipe, variants: Sequence[Variant], seeds: Sequence[int]) -> list[AblationRun]:
    """Seed by seed, each run once and after those it starts from. A name changes with anything it was made by."""
    made = (run for seed in seeds for variant in variants for run in _runs_of(variant, whole, seed))
    return list({run.name: run for run in made}.values())


def _runs_of(variant: Variant, whole: TranscriberRecipe, seed: int) -> Iterator[AblationRun]:
    recipe = variant.recipe_of(whole, seed)
    parts: dict[str, str] = {}
    for part in ("separator", "recogniser"):
        if stages := _stages(recipe, part):
            # Masks have no tokens: with or without them it is the same run.
            tokens = recipe.turn_tokens or part == "separator"
            start = replace(recipe, stages=stages, turn_tokens=tokens)
            parts[part] = f"{part}-{seed}-{start.digest[:8]}"
            yield AblationRun(name=parts[part], recipe=start)
    last = replace(recipe, stages=_stages(recipe, "all"))
    made_by = hashlib.sha256(f"{last.digest} {parts}".encode()).hexdigest()[:8]
    yield AblationRun(name=f"{variant.name}-{seed}-{made_by}", recipe=last, variant=variant.name, parts=parts)


def _stages(recipe: TranscriberRecipe, part: str) -> tuple[Stage, ...]:
    return tuple(stage for stage in recipe.stages if stage.trains == part)
