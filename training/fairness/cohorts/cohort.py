"""Cohorts: named sets of speakers that share nobody, and where they lie in the embedding space if that made them.

Kept as cohorts.json and, for the centroids, an .npz beside it:
`{"kind": "embedding", "cohorts": [{"name": "voices 0", "speakers": ["saa:german1", ..]}, ..],
"centroids": "cohorts.centroids.npz", "drawn_by": [], "embedder": "16 hex digits"}`, where "centroids" is null for
cohorts of another kind, "embedder" made the voices they are of (empty, or not there, where that is not known), and
"drawn_by" lists the speakers whose errors decided where cohorts end: null, or not there, where that is not known.
Letters: K cohorts, D embedding width.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from svc.errors import InvalidRequestError
from svc.types import FloatArray
from training.report_json import write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """People by their ids, as in manifest.csv and utterances.jsonl."""

    name: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cohorts:
    """`kind`: how they were made. `centroids` (K, D): unit vectors in the order of the cohorts.

    `drawn_by`: the speakers whose errors decided who is of which, in order; none did for cohorts of voices or labels.
    Judged by these very speakers the worst cohort looks worse than it is. None = not known. `embedder`: fingerprint of
    what made the voices that centroids are of.
    """

    kind: str
    cohorts: tuple[Cohort, ...]
    centroids: FloatArray | None = None
    drawn_by: tuple[str, ...] | None = None
    embedder: str = ""

    def __post_init__(self) -> None:
        names = [cohort.name for cohort in self.cohorts]
        speakers = [speaker for cohort in self.cohorts for speaker in cohort.speakers]
        if len({*names}) < len(names) or len({*speakers}) < len(speakers):
            raise ValueError(f"cohorts of {self.kind} share a name or a speaker")
        if self.centroids is not None and (self.centroids.ndim != 2 or len(self.centroids) != len(names)):
            raise ValueError(f"need a centroid for each of {len(names)} cohorts, got shape {self.centroids.shape}")

    def __len__(self) -> int:
        return len(self.cohorts)

    def __iter__(self) -> Iterator[Cohort]:
        return iter(self.cohorts)

    def named(self, name: str) -> Cohort:
        """Raises InvalidRequestError when none has this name."""
        for cohort in self.cohorts:
            if cohort.name == name:
                return cohort
        there = ", ".join(cohort.name for cohort in self.cohorts)
        raise InvalidRequestError(f"no cohort {name}: there are {there}", field="cohort")

    @property
    def number_of(self) -> dict[str, int]:
        """Speaker to the number of the cohort."""
        return {speaker: number for number, cohort in enumerate(self.cohorts) for speaker in cohort.speakers}


def cohorts_of(
    kind: str,
    cohort_of: Mapping[str, str],
    *,
    order: tuple[str, ...] = (),
    centroids: FloatArray | None = None,
    drawn_by: tuple[str, ...] | None = None,
    embedder: str = "",
) -> Cohorts:
    """Speaker to the name of the cohort -> cohorts, by name unless an order of all names is given."""
    names = order or tuple(sorted({*cohort_of.values()}))
    speakers: dict[str, list[str]] = {name: [] for name in names}
    for speaker, name in cohort_of.items():
        speakers[name].append(speaker)
    made = (Cohort(name=name, speakers=tuple(sorted(of_name))) for name, of_name in speakers.items())
    return Cohorts(kind=kind, cohorts=tuple(made), centroids=centroids, drawn_by=drawn_by, embedder=embedder)


def write_cohorts(path: Path, cohorts: Cohorts) -> None:
    """Centroids first, each file beside and renamed, so that cohorts.json never names what is not there."""
    centroids = f"{path.stem}.centroids.npz" if cohorts.centroids is not None else None
    if cohorts.centroids is not None and centroids:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        np.savez(part, centroids=cohorts.centroids)
        part.replace(path.with_name(centroids))
    each = [{"name": cohort.name, "speakers": list(cohort.speakers)} for cohort in cohorts]
    drawn_by = None if cohorts.drawn_by is None else list(cohorts.drawn_by)
    found = {"kind": cohorts.kind, "cohorts": each, "centroids": centroids, "drawn_by": drawn_by}
    write_json(path, found | {"embedder": cohorts.embedder})


def read_cohorts(path: Path) -> Cohorts:
    """The inverse of write_cohorts. Raises InvalidRequestError naming the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cohorts = [(str(each["name"]), tuple(map(str, each["speakers"]))) for each in content["cohorts"]]
        drawn_by = content.get("drawn_by")
        return Cohorts(
            kind=str(content["kind"]),
            cohorts=tuple(Cohort(name=name, speakers=speakers) for name, speakers in cohorts),
            centroids=_centroids(path.with_name(content["centroids"])) if content["centroids"] else None,
            drawn_by=None if drawn_by is None else tuple(map(str, drawn_by)),
            embedder=str(content.get("embedder", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InvalidRequestError(f"{path}: no cohorts: {error}", field="cohorts") from error


def _centroids(path: Path) -> FloatArray:
    with np.load(path, allow_pickle=False) as saved:
        return np.asarray(saved["centroids"], np.float32)


def overlap_caution(cohorts: Cohorts, judged: Collection[str]) -> str:
    """What to bear in mind when these speakers judge the cohorts; empty where there is nothing."""
    if cohorts.drawn_by is None:
        return (
            "Caution: the file of the cohorts does not say whose errors drew them (it is older than that). If the "
            "talkers judged here did, worst, gap and variance are flattered: find the cohorts again."
        )
    both = len({*cohorts.drawn_by} & {*judged})
    if not both:
        return ""
    return (
        f"Caution: {both} of {len({*judged})} talkers judged drew these regions: worst, gap and variance are "
        "flattered; find the regions on --split dev or train."
    )
