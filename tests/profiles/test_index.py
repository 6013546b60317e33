"""The index: exact, in step with the store, forgetting for good."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.errors import FingerprintMismatchError, StorageError
from svc.profiles import index as index_module
from svc.profiles.index import VoiceIndex
from svc.profiles.sqlite import SqliteProfileStore
from svc.profiles.store import Candidate
from svc.types import FloatArray
from tests.profiles.voices import MODEL, WIDTH, enrolled, voice


def candidates_of(store: SqliteProfileStore, tenant: str) -> list[Candidate]:
    profiles = store.list(tenant, page_size=1000)[0]
    return list(store.candidates(tenant, store.comparable(tenant, MODEL, [each.profile_id for each in profiles])))


def nearest_by_hand(store: SqliteProfileStore, tenant: str, query: FloatArray, k: int) -> list[int]:
    ranked = sorted(candidates_of(store, tenant), key=lambda each: -float(each.voiceprint.vector @ query))
    return [each.voice_id for each in ranked[:k]]


ACTIONS = st.lists(st.tuples(st.sampled_from(["enrol", "delete"]), st.integers(0, 5), st.booleans()), max_size=12)


@settings(max_examples=15)
@given(ACTIONS, st.integers(1, 8))
def test_whatever_happened_a_search_equals_brute_force(actions: list[tuple[str, int, bool]], k: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteProfileStore(Path(folder) / "p.sqlite3", key=None) as store,
        VoiceIndex(store) as index,
    ):
        for step, (action, person, first_tenant) in enumerate(actions):
            tenant, known = ("a" if first_tenant else "b"), f"p{person}"
            present = {profile.profile_id for profile in store.list(tenant)[0]}
            if action == "delete" and known in present:
                store.delete(tenant, known)
            elif action == "enrol" and known in present:
                store.add_enrolments(tenant, known, [voice(100 + step)])
            elif action == "enrol":
                enrolled(store, known, 100 + step, tenant=tenant)
        for tenant in ("a", "b"):
            hits = index.search(tenant, voice(0), k=k)
            assert hits.voice_ids.tolist() == nearest_by_hand(store, tenant, voice(0).vector, k)
            assert index.size(tenant, MODEL) == len(candidates_of(store, tenant))


def test_an_index_built_anew_answers_as_the_one_that_was_kept(store: SqliteProfileStore) -> None:
    with VoiceIndex(store) as kept:
        for number in range(12):
            enrolled(store, f"p{number}", number, number + 50)
        store.delete("acme", "p3")
        store.add_enrolments("acme", "p4", [voice(99)])
        with VoiceIndex(store) as rebuilt:
            for before, after in zip(
                kept.search("acme", voice(7), k=20), rebuilt.search("acme", voice(7), k=20), strict=True
            ):
                np.testing.assert_array_equal(before, after)


def test_what_another_process_did_shows_at_the_next_search(database: Path) -> None:
    with (
        SqliteProfileStore(database, key=None) as ours,
        SqliteProfileStore(database, key=None) as theirs,
        VoiceIndex(ours) as index,
    ):
        enrolled(theirs, "jo", 1)
        assert len(index.search("acme", voice(1), k=3).voice_ids) == 1
        theirs.delete("acme", "jo")
        assert len(index.search("acme", voice(1), k=3).voice_ids) == 0


def test_searches_beside_changes_find_who_was_there_throughout(store: SqliteProfileStore) -> None:
    enrolled(store, "always", 1)
    always = store.comparable("acme", MODEL, ["always"])
    with VoiceIndex(store) as index, ThreadPoolExecutor(2) as pool:
        done = Event()

        def search_on() -> int:
            count = 0
            while not done.is_set():
                assert index.search("acme", voice(1), k=1).voice_ids.tolist() == [*always]
                count += 1
            return count

        searches = [pool.submit(search_on) for _ in range(2)]
        try:
            for number in range(20):
                enrolled(store, f"p{number}", 100 + number)
                store.delete("acme", f"p{number}")
        finally:
            done.set()
        assert min(search.result() for search in searches) > 0


def test_tenants_and_models_are_searched_apart(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    enrolled(store, "jo", 1, tenant="other")
    store.create("acme", profile_id="al", consent_reference="form")
    store.add_enrolments("acme", "al", [voice(1, model="f" * 16, width=7)])
    with VoiceIndex(store) as index:
        found = index.search("acme", voice(1), k=9).voice_ids.tolist()
        assert tuple(found) == store.comparable("acme", MODEL, ["jo"])
        assert len(index.search("nobody", voice(1), k=9).voice_ids) == 0


def test_among_and_without_restrict_the_search(store: SqliteProfileStore) -> None:
    for number in range(6):
        enrolled(store, f"p{number}", number)
    with VoiceIndex(store) as index:
        everyone = index.search("acme", voice(2), k=6).voice_ids.tolist()
        assert index.search("acme", voice(2), k=6, without=everyone[:2]).voice_ids.tolist() == everyone[2:]
        among = index.search("acme", voice(2), k=6, among=everyone[1:4], without=everyone[2:3])
        assert among.voice_ids.tolist() == [everyone[1], everyone[3]]
        assert index.search("acme", voice(2), k=6, among=[]).voice_ids.tolist() == []


def test_blocks_join_to_one_exact_answer(store: SqliteProfileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "BLOCK_VOICES", 4)
    for number in range(15):
        enrolled(store, f"p{number:02d}", number)
    with VoiceIndex(store) as index:
        store.delete("acme", "p05")
        hits = index.search("acme", voice(2), k=7)
        assert hits.voice_ids.tolist() == nearest_by_hand(store, "acme", voice(2).vector, 7)
        assert np.all(np.diff(hits.scores) <= 0)


def test_a_deleted_vector_is_overwritten_in_memory(store: SqliteProfileStore) -> None:
    for number in range(3):
        enrolled(store, f"p{number}", number)
    with VoiceIndex(store) as index:
        (block,) = index._partitions["acme", MODEL]._blocks.values()
        slots = faiss.rev_swig_ptr(block._flat.get_xb(), 3 * WIDTH)
        assert all(voice(number).vector.tobytes() in slots.tobytes() for number in range(3))
        store.delete("acme", "p0")
        assert voice(0).vector.tobytes() not in slots.tobytes()
        assert slots.tobytes().count(voice(2).vector.tobytes()) == 1


def test_a_vector_of_another_width_is_refused(store: SqliteProfileStore) -> None:
    enrolled(store, "jo", 1)
    with VoiceIndex(store) as index, pytest.raises(FingerprintMismatchError, match="shape"):
        index.search("acme", voice(1, width=WIDTH + 1), k=1)


def test_a_damaged_voice_is_passed_over_and_named_and_all_others_are_found(
    store: SqliteProfileStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    enrolled(store, "jo", 1)
    enrolled(store, "sam", 2)
    with store._database.writing() as connection:
        connection.execute("UPDATE profiles SET vector = zeroblob(length(vector)) WHERE profile_id = 'jo'")
    with VoiceIndex(store) as index:
        found = index.search("acme", voice(1), k=5).voice_ids.tolist()
        assert found == list(store.comparable("acme", MODEL, ["sam"]))
        (told,) = caplog.messages
        assert all(part in told for part in (str(database), "'acme'", "'jo'", "delete the profile and enrol it anew"))
        with pytest.raises(StorageError, match="'jo' of tenant 'acme'"):
            store.voiceprint("acme", "jo")
        store.delete("acme", "jo")
        enrolled(store, "jo", 1)
        assert index.search("acme", voice(1), k=1).voice_ids.tolist() == list(store.comparable("acme", MODEL, ["jo"]))
