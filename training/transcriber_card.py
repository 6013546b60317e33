"""What the card of a transcriber says of its origin: licence, data and limits, as the recipe has them."""

from collections.abc import Iterable
from pathlib import Path

from svc.models.encoders import EncoderConfig
from training.start_transcriber import WHISPER
from training.transcriber_data import read_synthesised
from training.transcriber_recipe import TranscriberRecipe

# Domain -> the corpora it is made of, and what is said there.
CORPORA = {
    "phrases": "saa (CC BY-NC-SA)",
    "telephone": "wuw (CC BY-SA 4.0)",
    "digits": "fsdd (CC BY-SA 4.0) and alphanum (MIT)",
    "commands": "arabiccmd (CC BY 4.0)",
    "read": "libri (CC BY 4.0; its words are Whisper tiny.en's guesses)",
}
SAID = {
    "phrases": "English phrases of one read paragraph",
    "telephone": "telephone requests of some call-centre kind",
    "digits": "digits",
    "commands": "40 commands spoken in Arabic and written as their English gloss",
    "read": "read English",
}
# Encoders of Whisper's shape.
OF_WHISPER = ("transformer", "amortised")
# The start of a recipe whose parts come from another run.
ELSEWHERE = "random"


def licence_of(recipe: TranscriberRecipe) -> str:
    """For what it may be used."""
    whose = f"; {_origin(recipe.start, recipe.model.encoder)}" if _may_be_whispers(recipe) else ""
    return f"research only: trained on data some of which is for non-commercial use{whose}"


def _may_be_whispers(recipe: TranscriberRecipe) -> bool:
    return recipe.model.encoder.kind in OF_WHISPER and recipe.start in (WHISPER, ELSEWHERE)


def _origin(start: str, encoder: EncoderConfig) -> str:
    begun = "began" if start == WHISPER else "may, by the run it goes on from, have begun"
    return f"the {encoder.kind} encoder {begun} as that of Whisper tiny.en (MIT)"


def data_of(recipe: TranscriberRecipe, synthesised: Path | None = None) -> str:
    """What was trained on, with the synthesisers by name if there were any."""
    corpora = _listed(CORPORA.get(domain, domain) for domain in _domains(recipe))
    before = ", after what the run it goes on from had" if recipe.start == ELSEWHERE else ""
    return (
        f"train talkers of {corpora}, in simulated conversations with noise of ESC-10 (CC BY 3.0), simulated rooms and "
        f"the telephone band{before}; {_synthetic(synthesised)}"
    )


def _synthetic(folder: Path | None) -> str:
    if folder is None:
        return "no synthetic speech"
    names = sorted({spoken.speaker.partition(":")[0] for spoken in read_synthesised(folder)})
    return f"and digits spoken by the synthesisers {', '.join(names)}, for training alone"


def limits_of(recipe: TranscriberRecipe, *, separator: Path | None) -> str:
    """What it cannot do. `separator`: where that was taken from, if not from the run itself."""
    known = _listed(SAID.get(domain, domain) for domain in _domains(recipe))
    taught = separator is not None or recipe.learns_to_separate
    talkers = (
        "At most two talkers at once, and of the second few words may be kept."
        if taught
        else "One talker at a time: unless it began with another run's, nothing has taught its separator."
    )
    return (
        f"{known}; other words come out as the nearest of these or in pieces. {talkers} For open vocabulary turn the "
        "second pass on."
    )


def _domains(recipe: TranscriberRecipe) -> list[str]:
    return list(dict.fromkeys(domain for stage in recipe.stages for domain in stage.mixtures.domains))


def _listed(names: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
