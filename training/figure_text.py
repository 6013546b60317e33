"""A measured figure in words: its value and interval, and what these say of a claim."""

import numpy as np

from training.metrics.bootstrap import Figure

NO_BOUND = "no bound"


def figure_text(
    figure: Figure, *, scale: float = 100, digits: int = 1, sign: str = "", unit: str = "", missing: str = "-"
) -> str:
    """With its interval, unless that has a bound on neither side; `sign` "+" writes it always. `missing` stands for
    what cannot be measured.
    """
    if figure.value is None:
        return missing
    value, *edges = (number_text(edge * scale, f"{sign}.{digits}f") for edge in (figure.value, *(figure.ci95 or ())))
    return f"{value}{unit}" + (f" [{', '.join(edges)}]" if {*edges} - {NO_BOUND} else "")


def number_text(value: float, form: str) -> str:
    """As the format says; NO_BOUND for an infinite one, of either sign."""
    return NO_BOUND if np.isinf(value) else f"{value:{form}}"


def bold_where_sure(text: str, change: Figure) -> str:
    """In bold, as Markdown has it, where the interval excludes zero."""
    return f"**{text}**" if change.excludes_zero else text


def verdict(change: Figure, claimed: float, *, sized: bool = True) -> str:
    """What an interval says of a claim, of its size only where all of it lies to one side; of a claim that is not
    `sized` the sign counts alone.
    """
    if change.value is None:
        return "is not measured yet"
    if change.ci95 is None:
        return "cannot be told: there is no interval"
    low, high = change.ci95
    if low == change.value == high:
        return "cannot be told: no draw moves it"
    if not change.excludes_zero:
        if not sized or low <= claimed <= high:
            return "cannot be told: the interval includes zero"
        return "does not hold here: the interval includes zero and not the claim"
    if np.sign(change.value) != np.sign(claimed):
        return "does not hold here: it is the other way round"
    if not sized:
        return "holds here"
    if low <= claimed <= high:
        return "holds here; whether as large as claimed cannot be told"
    size = "as large as claimed or larger" if abs(low) > abs(claimed) else "but smaller than claimed"
    return f"holds here, {size}"
