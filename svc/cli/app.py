"""The command line: every command registered, those of other packages found by entry point."""

from importlib.metadata import entry_points, version
from typing import Annotated

import typer
from rich.console import Console

from svc.cli import models, profiles, serve, transcribe, voices

PLUGINS = "equivox.commands"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""Who is speaking, and what? Verify, identify, diarize and transcribe voices, with calibrated decisions.

    Commands run in this process, or on a server with [bold]--server HOST:PORT[/]; [bold]--json[/] answers for programs.

    [dim]equivox models pull && equivox models export     once[/]
    [dim]equivox verify anna-1.wav anna-2.wav             the same person?[/]
    [dim]equivox diarize meeting.wav                      who spoke when?[/]
    [dim]equivox transcribe call.wav --realtime           who says what, live?[/]
    [dim]equivox serve                                    the gRPC server[/]
    """,
)


def show_version(wanted: bool) -> None:
    """Prints the version and ends."""
    if wanted:
        print(f"equivox {version('equivox')}")
        raise typer.Exit


@app.callback()
def root(
    show: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print and exit.")
    ] = False,
) -> None:
    """Options before any command."""


def add_plugins(into: typer.Typer) -> None:
    """Commands of other packages; one that cannot be imported must not take the others down."""
    for plugin in entry_points(group=PLUGINS):
        try:
            into.add_typer(plugin.load(), name=plugin.name)
        except ImportError as error:
            Console(stderr=True).print(f"command {plugin.name} is left out: {error}", style="dim")


app.add_typer(voices.app)
app.add_typer(transcribe.app)
app.add_typer(profiles.app, name="profiles")
app.add_typer(models.app, name="models")
app.add_typer(serve.app)
add_plugins(app)
