"""equivox serve: the gRPC server."""

from dataclasses import replace
from typing import Annotated

import typer

from svc.cli.inputs import UsageError
from svc.cli.session import FAILED, Session, command
from svc.config import EquivoxConfig

app = typer.Typer()


@command(app, remote=False)
def serve(
    session: Session,
    address: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Listen here; port 0: any free one")] = None,
    *,
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Prometheus endpoint; '' = none.")] = None,
) -> None:
    """Run the server until SIGTERM, then finish what is under way. Logs are JSON lines.

    equivox serve
    equivox serve --config equivox.toml --address 0.0.0.0:50051
    """
    from svc.rpc.process import run  # every model's runtime: only when it is needed

    raise typer.Exit(run(with_addresses(session.config, address, metrics)))


def with_addresses(config: EquivoxConfig, address: str | None, metrics: str | None) -> EquivoxConfig:
    """The command line wins over the file. Raises UsageError for what is no address."""
    try:
        server = replace(
            config.server,
            address=config.server.address if address is None else address,
            metrics_address=config.server.metrics_address if metrics is None else metrics,
        )
    except ValueError as error:
        raise UsageError(f"server.{error}") from error
    return replace(config, server=server)


@command(app)
def health(
    session: Session,
    service: Annotated[str, typer.Argument(help="e.g. equivox.v1.Verification; else the whole server.")] = "",
) -> None:
    """Is a server ready to be called? Exit code 0 when it is, 1 when not; made for probes.

    equivox health --server localhost:50051
    """
    if not session.server:
        raise UsageError("health asks a server: give --server HOST:PORT")
    ready = session.open_client().healthy(service, timeout_s=session.timeout_s)
    answer = {"service": service, "ready": ready}
    session.show(answer, lambda console: console.print("ready" if ready else "not ready"))
    raise typer.Exit(0 if ready else FAILED)
