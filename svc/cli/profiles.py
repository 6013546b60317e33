"""equivox profiles ..: enrolled people."""

from pathlib import Path
from typing import Annotated

import typer

from svc.cli import render
from svc.cli.inputs import check_out, to_clip, to_moment
from svc.cli.output import to_json, write_whole
from svc.cli.session import Session, command
from svc.cli.voices import Channel

app = typer.Typer(no_args_is_help=True, help="Enrolled people, and the file they are kept in.")
FileToWrite = Annotated[Path, typer.Argument(help="File to write.", show_default=False)]
ProfileName = Annotated[str, typer.Argument(metavar="PROFILE", help="Its id.", show_default=False)]


@command(app)
def create(
    session: Session,
    profile_id: Annotated[str | None, typer.Argument(metavar="[PROFILE]", help="Wanted id; else one is made.")] = None,
    *,
    consent: Annotated[str, typer.Option(metavar="REFERENCE", help="Where this person's consent is recorded.")],
    name: Annotated[str, typer.Option(help="Free text for people.")] = "",
    expires: Annotated[str | None, typer.Option(metavar="DATE|DAYSd", help="2030-01-31 or 90d; else never.")] = None,
) -> None:
    """Make an empty profile.

    equivox profiles create anna --consent ticket-4711 --expires 365d
    """
    expire_time = to_moment(expires)
    profile = session.open_client().profiles.create(
        profile_id=profile_id or "", consent_reference=consent, display_name=name, expire_time=expire_time
    )
    session.show(profile, lambda console: render.show_profile(console, profile))


@command(app)
def enroll(
    session: Session,
    profile_id: ProfileName,
    clips: Annotated[
        list[Path],
        typer.Argument(help="Clips of this person: one to the server's limit (20 by default).", show_default=False),
    ],
    *,
    idempotency_key: Annotated[str, typer.Option("--key", help="Repeats with this key add nothing.")] = "",
    channel: Channel = None,
) -> None:
    """Add clips of a person to their profile, all or none.

    equivox profiles enroll anna one.wav two.wav three.flac
    """
    utterances = [to_clip(clip, channel) for clip in clips]
    with session.busy("enrolling"):
        result = session.open_client().profiles.enroll(profile_id, utterances, idempotency_key=idempotency_key)
    session.show(result, lambda console: render.show_enrolment(console, result))


@command(app)
def get(session: Session, profile_id: ProfileName) -> None:
    """Show one profile."""
    profile = session.open_client().profiles.get(profile_id)
    session.show(profile, lambda console: render.show_profile(console, profile))


@command(app, "list")
def list_all(session: Session) -> None:
    """List all profiles."""
    profiles = list(session.open_client().profiles.list())
    session.show(profiles, lambda console: render.show_profiles(console, profiles))


@command(app)
def delete(
    session: Session,
    profile_id: ProfileName,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a profile and its voiceprints, from memory and disk. There is no way back."""
    if not yes and not typer.confirm(f"Delete {profile_id} and all its voiceprints for good?", err=True):
        raise typer.Exit(1)
    num_deleted = session.open_client().profiles.delete(profile_id)
    done = {"profile_id": profile_id, "num_enrolments_deleted": num_deleted}
    session.show(done, lambda console: console.print(f"deleted {profile_id} and {num_deleted} voiceprints"))


@command(app)
def export(
    session: Session,
    profile_id: ProfileName,
    *,
    out: Annotated[Path | None, typer.Option(help="Write here, readable by you only; else to stdout.")] = None,
) -> None:
    """Everything held about one person, as JSON, for a subject access request."""
    check_out(out)
    document = to_json(session.open_client().profiles.export(profile_id))
    if out is None:
        print(document)
        return
    write_whole(out, document, mode=0o600)
    session.show({"path": out}, lambda console: console.print(f"wrote {out}", markup=False))


@command(app, remote=False)
def backup(session: Session, file: FileToWrite) -> None:
    """Copy the database of the configuration, while a server uses it or not. The key is not in the copy.

    equivox profiles backup profiles-2030-01-31.sqlite3 --config equivox.toml
    """
    from svc.profiles.backup import back_up  # cryptography: only when it is needed

    check_out(file)
    back_up(session.config.profiles.database, file)
    session.show({"path": file}, lambda console: console.print(f"wrote {file}", markup=False))


@command(app, remote=False)
def restore(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A copy made by `equivox profiles backup`.", show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a copy in the place of the configuration's database; the server must be stopped.

    equivox profiles restore profiles-2030-01-31.sqlite3 --config equivox.toml
    """
    from svc.profiles.backup import restore as put_back
    from svc.profiles.backup import standing
    from svc.profiles.encryption import cipher_for, configured_key

    database, key_file = session.config.profiles.database, session.config.profiles.key_file
    if not yes and standing(database) and not typer.confirm(f"Replace {database} for good?", err=True):
        raise typer.Exit(1)
    put_back(file, database, cipher_for(configured_key(key_file)))
    done = {"path": database, "restored_from": file}
    session.show(done, lambda console: console.print(f"restored {database} from {file}", markup=False))


@command(app, "rekey", remote=False)
def exchange_key(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The new key, made by `equivox profiles new-key`.", show_default=False)],
) -> None:
    """Seal the configuration's database with another key; the server must be stopped.

    Set profiles.key_file to the new one afterwards. Copies made before still open with the old key alone.

    equivox profiles rekey profiles-2.key --config equivox.toml
    """
    from svc.profiles.encryption import cipher_for, configured_key, load_key
    from svc.profiles.rekeying import rekey

    database, key_file = session.config.profiles.database, session.config.profiles.key_file
    new = cipher_for(load_key(file))
    num_profiles = rekey(database, cipher_for(configured_key(key_file)), new)
    session.show(
        {"path": database, "key_file": file, "num_profiles": num_profiles},
        lambda console: console.print(
            f"sealed {num_profiles} profiles of {database} with {file}; set profiles.key_file to it", markup=False
        ),
    )


@command(app, "new-key", remote=False)
def make_key(session: Session, file: FileToWrite) -> None:
    """Make a key that encrypts voiceprints at rest; name it as `profiles.key_file` in the configuration.

    Keep a copy elsewhere: without it the profiles cannot be read again.
    """
    from svc.profiles.encryption import new_key, save_key  # cryptography: only when it is needed

    save_key(file, new_key())
    session.show(
        {"path": file}, lambda console: console.print(f"wrote {file}; set profiles.key_file to it", markup=False)
    )
