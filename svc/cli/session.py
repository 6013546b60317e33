"""What every command shares: where it runs, how it answers, and how it fails."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from equivox import Client, EquivoxError, Tls
from equivox.channel import InsecureTokenError
from equivox.client import DEFAULT_TIMEOUT_S
from svc.cli.inputs import UsageError
from svc.cli.output import to_json
from svc.config import EquivoxConfig, load_settings
from svc.errors import ServiceError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
WHERE = "Where it runs"
Server = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", envvar="EQUIVOX_SERVER", rich_help_panel=WHERE, help="A server; else this process."
    ),
]
Token = Annotated[str | None, typer.Option(envvar="EQUIVOX_TOKEN", rich_help_panel=WHERE, help="Bearer token.")]
TlsAuthority = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", metavar="PEM", rich_help_panel=WHERE, help="Encrypt; trust this authority, - the system's."
    ),
]
TlsCertificate = Annotated[Path | None, typer.Option("--tls-cert", metavar="PEM", rich_help_panel=WHERE, help="mTLS.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", rich_help_panel=WHERE, help="mTLS.")]
TlsName = Annotated[
    str,
    typer.Option("--tls-name", metavar="HOST", rich_help_panel=WHERE, help="Encrypt; name in its certificate."),
]
InsecureToken = Annotated[
    bool,
    typer.Option("--insecure-token", rich_help_panel=WHERE, help="Something else encrypts the token (a service mesh)."),
]
TimeoutS = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", min=0.001, rich_help_panel=WHERE, help="Of each call.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="TOML", envvar="EQUIVOX_CONFIG", rich_help_panel=WHERE, help="Settings of this process."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", rich_help_panel="Output", help="One JSON document on stdout.")]


@dataclass(kw_only=True)
class Session:
    """The shared options of one command; opens what it needs on first use and closes it at the end."""

    server: Server = None
    token: Token = None
    tls_authority: TlsAuthority = None
    tls_certificate: TlsCertificate = None
    tls_key: TlsKey = None
    tls_name: TlsName = ""
    insecure_token: InsecureToken = False
    timeout_s: TimeoutS = None
    config_file: ConfigFile = None
    as_json: AsJson = False
    closing: ExitStack = field(default_factory=ExitStack, init=False)

    @property
    def config(self) -> EquivoxConfig:
        """The file's settings, or the defaults."""
        try:
            return load_settings(self.config_file)
        except ValueError as error:
            raise UsageError(str(error)) from error

    def open_client(self, report: Callable[[float], None] = lambda fraction: None) -> Client:
        """A client of the server, or of the models in this process, which report how far a long call is."""
        return self.closing.enter_context(self._remote(self.server) if self.server else self._local(report))

    def _remote(self, server: str) -> Client:
        encrypted = self.tls_authority or self.tls_certificate or self.tls_key or self.tls_name
        own = self.tls_authority if self.tls_authority != Path("-") else None
        try:
            tls = Tls(authority=own, certificate=self.tls_certificate, key=self.tls_key, server_name=self.tls_name)
            return Client(
                server,
                token=self.token,
                tls=tls if encrypted else None,
                timeout_s=self.timeout_s or DEFAULT_TIMEOUT_S,
                allow_insecure_token=self.insecure_token,
            )
        except InsecureTokenError as error:
            raise UsageError(
                f"the token would travel unencrypted to {server}: give --tls-ca (- for the system's authorities), or "
                "--insecure-token when something else encrypts (a service mesh)"
            ) from error
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _local(self, report: Callable[[float], None]) -> Client:
        config = self.config
        from svc.cli.local import LocalApplication, LocalTransport  # numpy, onnxruntime: only when they are needed

        return Client.over(LocalTransport(LocalApplication(config, report)))

    def show(self, result: object, render: Callable[[Console], None]) -> None:
        """The result as JSON, or as `render` draws it for people."""
        if self.as_json:
            print(to_json(result))
        else:
            render(Console())

    @contextmanager
    def busy(self, what: str) -> Iterator[Callable[[float], None]]:
        """Shows people on a terminal that something goes on and, when told, how far it is (0 to 1)."""
        with Console(stderr=True, quiet=self.as_json or not sys.stderr.isatty()).status(Text(what)) as status:
            yield lambda fraction: status.update(Text(f"{what} {fraction:.0%}"))


SHARED = {option.name: option for option in fields(Session) if option.init}
LOCAL_ONLY = ("config_file", "as_json")


def command(
    app: typer.Typer, name: str | None = None, *, remote: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers `function(session, ...)` with the shared options after its own; `remote=False`: no server's."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name)(_with_session(function, tuple(SHARED) if remote else LOCAL_ONLY))
        return function

    return register


def _with_session(function: Callable[..., None], shared: tuple[str, ...]) -> Callable[..., None]:
    @wraps(function)
    def run(**arguments: Any) -> None:  # noqa: ANN401 - checked by typer against the signature below
        session = Session(**{name: arguments.pop(name) for name in shared})
        with reporting_errors(session.as_json, session.server), session.closing:
            function(session, **arguments)

    own = list(inspect.signature(function).parameters.values())[1:]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=SHARED[name].default, annotation=SHARED[name].type
        )
        for name in shared
    ]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
    # typer reads both.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@contextmanager
def reporting_errors(as_json: bool = False, server: str | None = None) -> Iterator[None]:
    """Ends the process with one line for a person, or one JSON document, on stderr."""
    try:
        yield
    except (UsageError, typer.BadParameter) as error:
        _fail({"reason": "USAGE", "message": str(error)}, as_json, MISUSED)
    except (EquivoxError, ServiceError) as error:
        code = error.code.name if isinstance(error, EquivoxError) else ""
        message = f"{error.message}{_remedy(code, error.reason, server)}"
        _fail({"reason": error.reason or code, "field": error.field, "message": message, "code": code}, as_json, FAILED)
    except OSError as error:
        _fail({"reason": type(error).__name__, "message": str(error)}, as_json, FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _fail(details: dict[str, str], as_json: bool, exit_code: int) -> None:
    if as_json:
        print(to_json({"error": details}), file=sys.stderr)
    else:
        where = f" [{details['field']}]" if details.get("field") else ""
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"error: {details['message']}{where} ({details['reason']})", style="red", markup=False
        )
    sys.exit(exit_code)


def _remedy(code: str, reason: str, server: str | None) -> str:
    """What to do about failures of the connection itself; the service's own messages already say it."""
    if reason:
        return "; pass --token or set EQUIVOX_TOKEN" if reason == "TOKEN_INVALID" else ""
    remedies = {
        "UNAVAILABLE": f"; is `equivox serve` running at {server}, and with TLS as given here?",
        "DEADLINE_EXCEEDED": f"; is `equivox serve` running at {server}? If it is, give it longer with --timeout",
        "UNIMPLEMENTED": f"; is {server} an Equivox server of this version?",
    }
    return remedies.get(code, "")
