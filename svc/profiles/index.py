"""Exact nearest voices in memory: one partition per tenant and model, kept in step with the store."""

import os
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import faiss
import numpy as np
import numpy.typing as npt

from svc.errors import FingerprintMismatchError
from svc.profiles.store import ProfileStore, VoiceChange, VoiceRemoval
from svc.types import FloatArray, Voiceprint

IdArray = npt.NDArray[np.int64]
# faiss searches one query on one thread and deletes in time linear in its index; blocks of this many voices are
# searched in parallel and bound what a deletion moves (50 MB at D = 192).
BLOCK_VOICES = 2**16
_READ_VOICES = 2**13


class Hits(NamedTuple):
    """Best first, equal scores by voice_id: (H,) voice ids and (H,) cosines; H is at most the k asked for."""

    voice_ids: IdArray
    scores: FloatArray


class VoiceIndex:
    """Mean voiceprints of a store, searched exhaustively by cosine.

    Built from the store at construction and refreshed from its revisions: at once after a commit of this process,
    at the next search or sweep after a commit of another. A vector that is deleted is overwritten, not hidden.
    Memory: 4 D bytes a voice and about 60 bytes of bookkeeping.
    """

    def __init__(self, store: ProfileStore, *, num_threads: int | None = None) -> None:
        self._store = store
        self._partitions: dict[tuple[str, str], _Partition] = {}
        self._refreshing = threading.Lock()
        self._seen_revision = self._seen_change = 0
        # What was removed before the first voice is read need not be forgotten.
        self._seen_removal = store.revision()
        self._pool = ThreadPoolExecutor(num_threads or os.cpu_count() or 1, thread_name_prefix="voice-index")
        self.refresh()
        store.watch(self.refresh)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown()

    def refresh(self) -> None:
        """Takes over what the store has committed since last time."""
        with self._refreshing:
            # Read first: whatever is committed from here on shows as a later revision.
            revision = self._store.revision()
            if revision == self._seen_revision:
                return
            while changes := self._store.changes_since(self._seen_change, limit=_READ_VOICES):
                self._put(changes)
                self._seen_change = changes[-1].revision
            # After the changes, so that a voice that changed and was then deleted ends up deleted.
            if removals := self._store.removals_since(self._seen_removal):
                self._drop(removals)
                self._seen_removal = removals[-1].revision
            self._seen_revision = revision

    def size(self, tenant: str, model_fingerprint: str) -> int:
        """Voices of a tenant that can be compared with this model."""
        partition = self._partitions.get((tenant, model_fingerprint))
        return partition.size if partition else 0

    def search(
        self,
        tenant: str,
        test: Voiceprint,
        *,
        k: int,
        among: Collection[int] | None = None,
        without: Collection[int] = (),
    ) -> Hits:
        """The k voices of the tenant nearest to the test voice, of its model.

        With `among` only of those voice ids, and never of those in `without`.
        Raises FingerprintMismatchError when the vector's width differs from the index's.
        """
        if self._store.revision() != self._seen_revision:
            self.refresh()
        partition = self._partitions.get((tenant, test.model_fingerprint))
        if partition is None or k < 1:
            return _best([], k)
        if test.vector.shape != (partition.width,):
            raise FingerprintMismatchError(
                f"the voice has shape {test.vector.shape}, those enrolled ({partition.width},)"
            )
        query = _Query(np.ascontiguousarray(test.vector[None], np.float32), k, _selector(among, without))
        return partition.search(query, self._pool)

    def _put(self, changes: Sequence[VoiceChange]) -> None:
        grouped: dict[tuple[str, str], dict[int, FloatArray]] = defaultdict(dict)
        for change in changes:
            if change.vector is not None:
                grouped[change.tenant, change.model_fingerprint][change.voice_id] = change.vector
        for place, vectors in grouped.items():
            if place not in self._partitions:
                self._partitions[place] = _Partition(len(next(iter(vectors.values()))))
            self._partitions[place].put(np.array(list(vectors), np.int64), np.stack(list(vectors.values())))
        self._drop(change for change in changes if change.vector is None)

    def _drop(self, removals: Iterable[VoiceRemoval | VoiceChange]) -> None:
        grouped: dict[tuple[str, str], list[int]] = defaultdict(list)
        for removal in removals:
            grouped[removal.tenant, removal.model_fingerprint].append(removal.voice_id)
        for place, ids in grouped.items():
            if partition := self._partitions.get(place):
                partition.drop(np.array(ids, np.int64))


class _Query(NamedTuple):
    """(1, D), how many, and which voices count."""

    vector: FloatArray
    k: int
    selector: faiss.IDSelector | None


class _Partition:
    """Voices of one tenant and model, in blocks by voice_id."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._blocks: dict[int, _Block] = {}

    @property
    def size(self) -> int:
        return sum(block.size for block in list(self._blocks.values()))

    def put(self, ids: IdArray, vectors: FloatArray) -> None:
        """(M,) and (M, D): adds voices or replaces their vectors."""
        for number in np.unique(ids // BLOCK_VOICES):
            chosen = ids // BLOCK_VOICES == number
            if number not in self._blocks:
                self._blocks[int(number)] = _Block(self.width, int(number) * BLOCK_VOICES)
            self._blocks[int(number)].put(ids[chosen], vectors[chosen])

    def drop(self, ids: IdArray) -> None:
        for number in np.unique(ids // BLOCK_VOICES):
            if block := self._blocks.get(int(number)):
                block.drop(ids[ids // BLOCK_VOICES == number])
                if not block.size:
                    del self._blocks[int(number)]

    def search(self, query: "_Query", pool: ThreadPoolExecutor) -> Hits:
        # A copy: a refresh may add a block meanwhile.
        blocks = list(self._blocks.values())
        if len(blocks) == 1:
            return _best([blocks[0].search(query)], query.k)
        return _best(list(pool.map(lambda block: block.search(query), blocks)), query.k)


class _Block:
    """A faiss index over at most BLOCK_VOICES voices; faiss itself does not guard writers against readers."""

    def __init__(self, width: int, first_id: int) -> None:
        self._flat = faiss.IndexFlatIP(width)
        self._index = faiss.IndexIDMap2(self._flat)
        self._held = np.zeros(BLOCK_VOICES, bool)
        self._first_id = first_id
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    def put(self, ids: IdArray, vectors: FloatArray) -> None:
        with self._lock:
            self._erase(ids)
            self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)
            self._held[ids - self._first_id] = True

    def drop(self, ids: IdArray) -> None:
        with self._lock:
            self._erase(ids)

    def search(self, query: "_Query") -> Hits:
        # Of this thread and of faiss only. One query keeps one thread busy; a team of more would wait for each other,
        # on a machine that has other work more than ten times as long as the search takes.
        faiss.omp_set_num_threads(1)
        parameters = faiss.SearchParameters()
        if query.selector is not None:
            parameters.sel = query.selector
        with self._lock:
            scores, found = self._index.search(query.vector, min(query.k, max(self.size, 1)), params=parameters)
        valid = found[0] >= 0
        return Hits(found[0][valid], scores[0][valid])

    def _erase(self, ids: IdArray) -> None:
        gone = ids[self._held[ids - self._first_id]]
        if not len(gone):
            return
        slots = faiss.rev_swig_ptr(self._flat.get_xb(), self._index.ntotal * self._flat.d)
        self._index.remove_ids(faiss.IDSelectorBatch(gone))
        # faiss moves the later vectors down and shrinks; the freed tail would keep copies of voices.
        slots[self._index.ntotal * self._flat.d :] = 0
        self._held[gone - self._first_id] = False


def _selector(among: Collection[int] | None, without: Collection[int]) -> faiss.IDSelector | None:
    excluded = set(without)
    if among is not None:
        return faiss.IDSelectorBatch(_ids(set(among) - excluded))
    if not excluded:
        return None  # The scan without a selector is the fast one.
    return faiss.IDSelectorNot(faiss.IDSelectorBatch(_ids(excluded)))


def _ids(values: Collection[int]) -> IdArray:
    return np.fromiter(values, np.int64, len(values))


def _best(found: Sequence[Hits], k: int) -> Hits:
    ids = np.concatenate([hits.voice_ids for hits in found]) if found else np.zeros(0, np.int64)
    scores = np.concatenate([hits.scores for hits in found]) if found else np.zeros(0, np.float32)
    order = np.lexsort((ids, -scores))[:k]
    return Hits(ids[order], scores[order])
