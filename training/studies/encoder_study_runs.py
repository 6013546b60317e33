"""The runs of an encoder study: one recipe, several encoders or starts, and of one that skips work several strengths.

All stages but the last are a run of their own, which every strength starts from: first words, then their price.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from svc.errors import InvalidRequestError
from training.studies.ablation_variants import AblationRun, Source
from training.transcriber_recipe import TranscriberRecipe, read_recipe

SKIPPING = "amortised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An encoder in the recipe's transducer. `strength` weighs the compute it takes; 0 for one that skips nothing.
    `start`: where its weights start, if that is what is compared. `rate`: times the recipe's learning rates.
    """

    encoder: str
    recipe: TranscriberRecipe
    strength: float = 0.0
    start: str = ""
    rate: float = 1.0

    @property
    def name(self) -> str:
        started = f"{self.encoder}-from-{self.start}" if self.start else self.encoder
        learnt = started if self.rate == 1 else f"{started}-rate-{self.rate:g}"
        return f"{learnt}@{self.strength:g}" if self.kind == SKIPPING else learnt

    @property
    def but_for_start(self) -> tuple[str, float, float]:
        """Contenders that have these in common differ in their start alone."""
        return self.encoder, self.strength, self.rate

    @property
    def kind(self) -> str:
        return self.recipe.model.encoder.kind


def contenders(
    recipe: Path,
    encoders: Sequence[Path],
    strengths: Sequence[float],
    starts: Sequence[str] = (),
    rates: Sequence[float] = (1.0,),
) -> list[Contender]:
    """Files as those in training/configs/encoders; without `starts` each from the recipe's.

    Raises ValueError naming the file and the key at fault, or a start there is not, InvalidRequestError for two of one
    name.
    """
    names = [path.stem for path in encoders]
    if twice := {name for name in names if names.count(name) > 1}:
        message = f"two encoders are named {', '.join(sorted(twice))}, as their runs would be: rename one of the files"
        raise InvalidRequestError(message, field="encoders")
    found = [Contender(encoder=path.stem, recipe=read_recipe(recipe, encoder=path)) for path in encoders]
    if starts:
        found = [_from(start, contender) for contender in found for start in starts]
    found = [_at(rate, contender) for contender in found for rate in rates]
    return [
        replace(contender, strength=strength)
        for contender in found
        for strength in (strengths if contender.kind == SKIPPING else (0.0,))
    ]


def _from(start: str, contender: Contender) -> Contender:
    return replace(contender, start=start, recipe=replace(contender.recipe, start=start))


def _at(rate: float, contender: Contender) -> Contender:
    stages = tuple(
        replace(
            stage,
            learning_rate=rate * stage.learning_rate,
            last_learning_rate=rate * stage.last_learning_rate,
        )
        for stage in contender.recipe.stages
    )
    return replace(contender, rate=rate, recipe=replace(contender.recipe, stages=stages))


def encoder_runs(
    chosen: Sequence[Contender], seeds: Sequence[int], *, trained: Source | None = None
) -> list[AblationRun]:
    """Seed by seed, each run once and after the one it starts from. A name changes with anything it was made by.

    `trained`: what all go on from.
    """
    made = (run for seed in seeds for contender in chosen for run in _runs_of(contender, seed, trained))
    return list({run.name: run for run in made}.values())


def _runs_of(contender: Contender, seed: int, source: Source | None) -> Iterator[AblationRun]:
    whole = replace(contender.recipe, seed=seed)
    *first, last = whole.stages
    parts, made_by = {}, source.fingerprint if source else None
    if first:
        recipe = replace(whole, stages=tuple(first))
        name = f"{contender.encoder}-first-{seed}-{_digest(recipe.digest, made_by)}"
        yield AblationRun(name=name, recipe=recipe, source=source)
        parts, made_by, source = {"recogniser": name}, name, None
    charged = replace(last, losses=replace(last.losses, compute=contender.strength))
    recipe = replace(whole, stages=(charged,))
    name = f"{contender.name}-{seed}-{_digest(recipe.digest, made_by)}"
    yield AblationRun(name=name, recipe=recipe, variant=contender.name, parts=parts, source=source)


def _digest(recipe: str, made_by: str | None) -> str:
    return hashlib.sha256(f"{recipe} {made_by}".encode()).hexdigest()[:8]
