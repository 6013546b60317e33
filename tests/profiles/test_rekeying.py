"""The key of a database exchanged for another."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from svc.errors import StorageError
from svc.profiles.encryption import cipher_for, new_key
from svc.profiles.rekeying import rekey
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.full_disk import full_disk, make_large
from tests.profiles.test_backup import cut_an_index, make, people, server
from tests.profiles.voices import bytes_on_disk, enrolled, voice


@pytest.fixture(params=[True, False], ids=["a key before", "none before"])
def old(request: pytest.FixtureRequest) -> bytes | None:
    return new_key() if request.param else None


def filled(database: Path, key: bytes | None) -> None:
    """Two people with voices, one of them with an answer to be remembered, and one without."""
    with SqliteProfileStore(database, key=key) as store:
        enrolled(store, "jo", 1, 2)
        store.create("acme", profile_id="al", display_name="Name of al", consent_reference="form 8")
        store.create("other", profile_id="jo", display_name="", consent_reference="form 9")
        voices = [voice(3)]
        store.add_enrolments("other", "jo", voices, idempotency_key="once", content_digest=b"same", answer=b"warned")


def test_all_is_as_it_was_under_the_new_key_and_nothing_of_it_under_the_old(database: Path, old: bytes | None) -> None:
    filled(database, old)
    new = new_key()
    assert rekey(database, cipher_for(old), cipher_for(new)) == 3
    with SqliteProfileStore(database, key=new) as store:
        profiles, _ = store.list("acme")
        assert [(one.profile_id, one.display_name, one.consent_reference) for one in profiles] == [
            ("al", "Name of al", "form 8"),
            ("jo", "Name of jo", "form 7"),
        ]
        vectors = [enrolment.voiceprint.vector for enrolment in store.enrolments("acme", "jo")]
        np.testing.assert_array_equal(vectors, [voice(1).vector, voice(2).vector])
        assert store.voiceprint("acme", "jo").net_speech_s == 6.0
        recalled = store.recall("other", "once", content_digest=b"same")
        assert recalled is not None
        assert recalled.answer == b"warned"
    with pytest.raises(StorageError, match="encrypted with another key"):
        people(database, old)


def test_what_stood_there_without_a_key_is_in_no_byte_of_the_file(database: Path) -> None:
    filled(database, None)
    said = (b"Name of jo", b"form 7", b"warned", voice(1).vector.astype("<f4").tobytes())
    assert all(content in bytes_on_disk(database) for content in said)
    rekey(database, cipher_for(None), cipher_for(new_key()))
    assert not any(content in bytes_on_disk(database) for content in said)


def test_nothing_changes_where_one_value_does_not_open(database: Path) -> None:
    key = new_key()
    filled(database, key)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE enrolments SET vector = zeroblob(60) WHERE enrolment_id = 2")
        connection.commit()
    before = bytes_on_disk(database)
    with pytest.raises(StorageError, match="voice of profile 'jo' of tenant 'acme' cannot be read"):
        rekey(database, cipher_for(key), cipher_for(new_key()))
    assert bytes_on_disk(database) == before
    assert people(database, key) == ["al", "jo"]


def test_a_log_that_finds_no_room_leaves_the_new_key_and_the_next_start_erases_the_old(database: Path) -> None:
    make_large(database)
    secret, new = voice(29).vector.tobytes(), new_key()
    told = r"is sealed with the new key, .* the next start of the server erases it"
    with full_disk(), pytest.raises(StorageError, match=told):
        rekey(database, cipher_for(None), cipher_for(new))
    assert secret in bytes_on_disk(database)
    assert len(people(database, new)) == 30
    assert secret not in bytes_on_disk(database)


def test_a_damaged_database_is_told_and_not_changed(database: Path) -> None:
    make(database, "jo")
    cut_an_index(database)
    with pytest.raises(StorageError, match=r"no sound profile database .* nothing was changed; restore"):
        rekey(database, cipher_for(None), cipher_for(new_key()))
    assert people(database) == ["jo"]


def test_a_wrong_key_a_missing_file_and_a_database_in_use_are_told(database: Path) -> None:
    with pytest.raises(StorageError, match="there is no profile database"):
        rekey(database, cipher_for(None), cipher_for(new_key()))
    make(database, "jo")
    with pytest.raises(StorageError, match="made without a key, but one is configured"):
        rekey(database, cipher_for(new_key()), cipher_for(new_key()))
    with server(database, "al"), pytest.raises(StorageError, match=r"another process has .* open; stop the server"):
        rekey(database, cipher_for(None), cipher_for(new_key()))
    assert people(database) == ["al", "jo"]
