"""What a command without a server does that a server would."""

from pathlib import Path

from svc.cli.local import LocalApplication, Refusal
from svc.errors import StorageError
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import bytes_on_disk, enrolled, let_expire, voice
from tests.rpc.tiny_application import tiny_config


def test_a_long_message_is_told_whole() -> None:
    message = "a remedy to be pasted " * 100
    assert Refusal(StorageError(message)).details() == message


def test_what_has_expired_is_erased_when_a_command_opens_the_store(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    with SqliteProfileStore(config.profiles.database, key=None) as store:
        enrolled(store, "jo", 1)
        enrolled(store, "al", 2)
        let_expire(store, "jo")
    application = LocalApplication(config, lambda _: None)
    assert [profile.profile_id for profile in application.profiles.list("acme")[0]] == ["al"]
    assert voice(1).vector.tobytes() not in bytes_on_disk(config.profiles.database)
    application.close()
