"""Numbers as people read them."""

from math import isfinite

from training.figure_text import NO_BOUND
from training.metrics.bootstrap import RATES, Figure

# What each rate means to somebody who meets it, and of how many.
HARM_OF = {"fnmr": "wrong rejections", "fmr": "wrong acceptances"}
SHARE_OF = {
    "fnmr": "of a person's own attempts are wrongly rejected",
    "fmr": "of attempts by somebody else are wrongly accepted",
}
# By which trials are of a group: who its false matches are made with.
STRANGERS = {
    "within": "Strangers are tried with people of their own group, the hardest to tell apart.",
    "cross": "Strangers are tried with people of a group they are not of.",
    "enrolment": "Strangers are of any group: the group is that of the person they are tried with.",
    "as listed": "Strangers are whoever the list of trials says.",
}
NOTHING = "—"


def percent(rate: float | None, *, unit: str = "\u00a0%") -> str:
    """A fraction, with a digit more where it is below one in a hundred."""
    if rate is None:
        return NOTHING
    return (signed(100 * rate, 2 if abs(rate) < 0.01 else 1) if rate else "0") + unit


def number(value: float | None) -> str:
    return NOTHING if value is None else signed(value, 3)


def measured(measure: str, value: float | None) -> str:
    """A rate in percent, anything else plain."""
    return percent(value) if measure in RATES else number(value)


def interval(measure: str, figure: Figure) -> str:
    """ "3.1 to 12.5", "3.1 to no bound", or nothing."""
    if figure.ci95 is None:
        return ""
    one = (lambda value: percent(value, unit="")) if measure in RATES else number
    low, high = (one(edge) if isfinite(edge) else NO_BOUND for edge in figure.ci95)
    return f"{low} to {high}"


def count(value: int) -> str:
    """Thousands apart."""
    return f"{value:,}"


def often(share: float) -> str:
    """A probability as so many of a hundred."""
    if share < 0.01:
        return "fewer than 1 of 100"
    return f"about {round(100 * share)} of 100"


def shortened(text: str, most: int) -> str:
    """For charts; tables hold the whole of it."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def signed(value: float, digits: int) -> str:
    """With a minus that is one. So many digits after the point."""
    text = f"{value:.{digits}f}"
    # Not a hyphen: screen readers pass over it.
    return text.replace("-", "−") if float(text) else text.removeprefix("-")  # noqa: RUF001
