"""SVG in a few strokes. Everything is escaped on the way in; colour, dash and fill are the style sheet's, by class.

Coordinates are of a drawing WIDTH wide, which a phone shows at about its own size.
"""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

WIDTH = 360
Point = tuple[float, float]
# Of lines that must be told apart without colour; the style sheet has a dash for each.
MARKERS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-4.6L4.4,3.2H-4.4z",
    "M0,-5L5,0L0,5L-5,0z",
    "M0,4.6L4.4,-3.2H-4.4z",
    "M-1.4,-4.4h2.8v3h3v2.8h-3v3h-2.8v-3h-3v-2.8h3z",
)
MAX_SERIES = len(MARKERS)


def chart(name: str, title: str, description: str, height: float, parts: Iterable[Markup]) -> Markup:
    """An image that says what it shows. `name` is unique on the page, and no text of a user's."""
    head = element("title", id=f"{name}-title", text=title) + element("desc", id=f"{name}-desc", text=description)
    opening = Markup('<svg class="chart" role="img" viewBox="0 0 {} {}" aria-labelledby="{}-title {}-desc">').format(
        WIDTH, _short(height), name, name
    )
    return opening + head + Markup("").join(parts) + Markup("</svg>")


def element(name: str, *, id: str, text: str) -> Markup:
    return Markup("<{0} id='{1}'>{2}</{0}>").format(Markup(name), id, text)


def line(start: Point, end: Point, style: str) -> Markup:
    numbers = tuple(map(_short, (*start, *end)))
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*numbers, style)


def path(points: Sequence[Point], style: str, *, closed: bool = False) -> Markup:
    steps = "L".join(f"{_short(x)},{_short(y)}" for x, y in points)
    return Markup('<path d="M{}{}" class="{}"/>').format(steps, "z" if closed else "", style)


def text(at: Point, content: object, style: str = "label") -> Markup:
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(
        _short(at[0]), _short(at[1]), style, escape(content)
    )


def marker(at: Point, series: int, style: str = "mark") -> Markup:
    """Series -1 = all people together, a circle."""
    shape = MARKERS[max(series, 0) % MAX_SERIES]
    place = f"translate({_short(at[0])},{_short(at[1])})"
    return Markup('<path d="{}" transform="{}" class="{} {}"/>').format(shape, place, style, series_class(series))


def series_class(series: int) -> str:
    return "all" if series < 0 else f"s{series}"


def swatch(series: int) -> Markup:
    """For a legend beside its words."""
    parts = line((1, 7), (35, 7), f"line {series_class(series)}") + marker((18, 7), series)
    return Markup('<svg class="swatch" viewBox="0 0 36 14" aria-hidden="true">{}</svg>').format(parts)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
