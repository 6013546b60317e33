"""What a store answers, whom it answers, and what it refuses."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svc.errors import (
    ConsentMissingError,
    FingerprintMismatchError,
    IdempotencyConflictError,
    InvalidRequestError,
    ProfileEmptyError,
    ProfileExistsError,
    ProfileExpiredError,
    ProfileNotFoundError,
    StorageError,
)
from svc.profiles.averaging import mean_voiceprint
from svc.profiles.encryption import new_key
from svc.profiles.index import VoiceIndex
from svc.profiles.sqlite import SqliteProfileStore
from svc.types import Band, Profile
from tests.profiles.voices import MODEL, enrolled, let_expire, voice


@pytest.mark.parametrize("key", [None, new_key()], ids=["plain", "sealed"])
def test_profiles_and_voiceprints_survive_reopening(database: Path, key: bytes | None) -> None:
    with SqliteProfileStore(database, key=key) as store:
        profile = enrolled(store, "jo", 1, 2)
        before = store.voiceprint("acme", "jo")
    with SqliteProfileStore(database, key=key) as store:
        assert store.get("acme", "jo") == profile
        np.testing.assert_array_equal(store.voiceprint("acme", "jo").vector, before.vector)


def test_a_created_profile_is_empty_and_says_what_was_given(store: SqliteProfileStore) -> None:
    expiry = time.time() + 60
    made = store.create("acme", profile_id="jo", display_name="Jo Ö", consent_reference="form 7", expires_at_s=expiry)
    expected = Profile(
        tenant="acme",
        profile_id="jo",
        display_name="Jo Ö",
        consent_reference="form 7",
        created_at_s=made.created_at_s,
        expires_at_s=expiry,
        num_enrolments=0,
        net_speech_s=0.0,
        model_fingerprint="",
    )
    assert made == store.get("acme", "jo") == expected
    with pytest.raises(ProfileEmptyError):
        store.voiceprint("acme", "jo")


def test_the_store_chooses_ids_that_differ(store: SqliteProfileStore) -> None:
    made = {store.create("acme", consent_reference="form").profile_id for _ in range(3)}
    assert len(made) == 3
    assert "" not in made


def test_the_voiceprint_is_the_mean_of_the_enrolments(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    store.add_enrolments("acme", "jo", [voice(2), replace(voice(3), band=Band.TELEPHONE, snr_db=7.5)])
    enrolments = store.enrolments("acme", "jo")
    mean, kept = mean_voiceprint([item.voiceprint for item in enrolments]), store.voiceprint("acme", "jo")
    np.testing.assert_array_equal(kept.vector, mean.vector)
    assert (kept.net_speech_s, kept.band, kept.snr_db) == (mean.net_speech_s, mean.band, mean.snr_db)
    np.testing.assert_array_equal(enrolments[1].voiceprint.vector, voice(2).vector)
    assert store.get("acme", "jo").num_enrolments == 3


def test_conditions_of_any_number_type_open_again(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    odd = replace(voice(2), net_speech_s=3, snr_db=float(np.float32(7.1)), clipped_share=np.float64(0.25))
    store.add_enrolments("acme", "jo", [odd])
    assert store.enrolments("acme", "jo")[1].voiceprint.clipped_share == 0.25
    assert store.voiceprint("acme", "jo").net_speech_s == 6.0


@pytest.mark.parametrize("profile_id", ["a b", "ü", "x" * 129, "a/b", "a\n"])
def test_bad_ids_are_refused(store: SqliteProfileStore, profile_id: str) -> None:
    with pytest.raises(InvalidRequestError, match="profile_id"):
        store.create("acme", profile_id=profile_id, consent_reference="form")


@pytest.mark.parametrize("reference", ["", "  "])
def test_consent_is_required(store: SqliteProfileStore, reference: str) -> None:
    with pytest.raises(ConsentMissingError):
        store.create("acme", consent_reference=reference)


@pytest.mark.parametrize("expires_at_s", [0.0, float("nan")])
def test_expiry_must_lie_in_the_future(store: SqliteProfileStore, expires_at_s: float) -> None:
    with pytest.raises(InvalidRequestError, match="an expiry must lie in the future"):
        store.create("acme", consent_reference="form", expires_at_s=expires_at_s)


def test_an_id_is_taken_once_per_tenant(store: SqliteProfileStore) -> None:
    store.create("acme", profile_id="jo", consent_reference="form")
    with pytest.raises(ProfileExistsError, match="'jo' exists"):
        store.create("acme", profile_id="jo", consent_reference="form")
    store.create("other", profile_id="jo", consent_reference="form")


def test_an_empty_id_is_no_profile_that_could_be_created(store: SqliteProfileStore) -> None:
    with pytest.raises(InvalidRequestError, match="profile_id is empty"):
        store.get("acme", "")


def test_no_call_reaches_another_tenant(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    for call in (store.get, store.enrolments, store.voiceprint, store.delete):
        with pytest.raises(ProfileNotFoundError):
            call("other", "jo")
    with pytest.raises(ProfileNotFoundError):
        store.add_enrolments("other", "jo", [voice(2)])
    with pytest.raises(ProfileNotFoundError):
        store.comparable("other", MODEL, ["jo"])
    assert store.list("other") == ((), "")
    assert store.candidates("other", store.comparable("acme", MODEL, ["jo"])) == ()
    assert store.get("acme", "jo").num_enrolments == 1


def test_another_models_voice_is_refused_and_nothing_is_added(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    with pytest.raises(FingerprintMismatchError, match="enrol all utterances again"):
        store.add_enrolments("acme", "jo", [voice(2, model="f" * 16)])
    with pytest.raises(FingerprintMismatchError):
        store.add_enrolments("acme", "jo", [voice(2), voice(3, model="f" * 16)])
    assert store.get("acme", "jo").num_enrolments == 1


@pytest.mark.parametrize("scale", [0.0, 2.0, float("nan"), float("inf")])
def test_a_vector_that_is_no_voice_is_refused(store: SqliteProfileStore, scale: float) -> None:
    enrolled(store, "jo", 1)
    bad = replace(voice(2), vector=np.full(voice(2).vector.shape, scale, np.float32))
    with pytest.raises(InvalidRequestError, match="voiceprint 1"):
        store.add_enrolments("acme", "jo", [voice(3), bad])
    assert store.get("acme", "jo").num_enrolments == 1


def test_a_repeat_under_a_key_answers_as_the_first_and_adds_nothing(store: SqliteProfileStore) -> None:
    store.create("acme", profile_id="jo", consent_reference="form")
    first = store.add_enrolments("acme", "jo", [voice(1)], idempotency_key="k", content_digest=b"d", answer=b"a")
    store.add_enrolments("acme", "jo", [voice(2)])
    again = store.add_enrolments("acme", "jo", [voice(1)], idempotency_key="k", content_digest=b"d", answer=b"b")
    recalled = store.recall("acme", "k", content_digest=b"d")
    assert again == first
    assert recalled is not None
    assert (recalled.profile, recalled.answer) == (first, b"a")
    assert store.get("acme", "jo").num_enrolments == 2


def test_a_key_with_other_content_is_a_conflict(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    store.add_enrolments("acme", "jo", [voice(1)], idempotency_key="k", content_digest=b"d")
    with pytest.raises(IdempotencyConflictError, match="fresh key"):
        store.add_enrolments("acme", "jo", [voice(1)], idempotency_key="k", content_digest=b"e")
    with pytest.raises(IdempotencyConflictError):
        store.recall("acme", "k", content_digest=b"e")
    assert store.get("acme", "jo").num_enrolments == 2


def test_keys_of_tenants_are_apart_and_forgotten_in_time(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    store.add_enrolments("acme", "jo", [voice(1)], idempotency_key="k", content_digest=b"d")
    assert store.recall("other", "k", content_digest=b"e") is None
    store.sweep(time.time() + 2 * 24 * 3600)
    assert store.recall("acme", "k", content_digest=b"e") is None
    assert store.get("acme", "jo").num_enrolments == 2


def test_an_expired_profile_is_not_used_and_then_swept(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    enrolled(store, "al", 2)
    (voice_id,) = store.comparable("acme", MODEL, ["jo"])
    let_expire(store, "jo")
    for use in (lambda: store.voiceprint("acme", "jo"), lambda: store.add_enrolments("acme", "jo", [voice(1)])):
        with pytest.raises(ProfileExpiredError, match="fresh consent"):
            use()
    assert store.expired("acme", MODEL) == (voice_id,)
    assert store.comparable("acme", MODEL, ["jo"]) == ()
    assert store.candidates("acme", [voice_id]) == ()
    assert store.sweep(time.time()) == 1
    assert [profile.profile_id for profile in store.list("acme")[0]] == ["al"]


def test_an_expired_profile_makes_room_for_one_with_fresh_consent(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    enrolled(store, "jo", 2, tenant="other")
    let_expire(store, "jo")
    with VoiceIndex(store) as index:
        fresh = store.create("acme", profile_id="jo", consent_reference="form 8")
        assert (fresh.consent_reference, fresh.num_enrolments, fresh.expires_at_s) == ("form 8", 0, None)
        assert index.size("acme", MODEL) == 0
    assert store.get("other", "jo").num_enrolments == 1
    with pytest.raises(ProfileExistsError):
        store.create("acme", profile_id="jo", consent_reference="form 9")


def test_a_deleted_voice_id_is_never_given_again(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    before = store.comparable("acme", MODEL, ["jo"])
    assert store.delete("acme", "jo") == 1
    enrolled(store, "jo", 1)
    assert store.comparable("acme", MODEL, ["jo"]) > before


def test_after_closing_calls_say_so(store: SqliteProfileStore) -> None:
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.get("acme", "jo")
    with pytest.raises(StorageError, match="closed"):
        store.create("acme", consent_reference="form")
