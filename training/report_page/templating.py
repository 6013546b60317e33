"""The templates and the style that all pages share."""

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from training.report_page.wording import count, number

TEMPLATES = "templates"


@cache
def template(name: str) -> Template:
    """By its file name; everything that goes in is escaped."""
    environment = Environment(
        loader=PackageLoader("training.report_page", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, number=number)
    return environment.get_template(name)


@cache
def style(*more: str) -> Markup:
    """The style sheet, which every page carries in itself, and what else a page needs, by file name."""
    folder = resources.files("training.report_page").joinpath(TEMPLATES)
    return Markup("".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", *more)))
