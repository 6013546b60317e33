"""VoxCeleb1's verification lists in the layout it is given out in: ROOT/vox1_meta.csv, ROOT/veri_test2.txt, ROOT/wav.

Lists: O (40 people), E (1,251 people), H (strangers of one sex and nationality), cleaned; O-original .. as first
published. Nationality is what VGGFace1's metadata says, and it is not an accent.
"""

import csv
from pathlib import Path

from svc.errors import InvalidRequestError
from training.data.manifest import text_of
from training.data.trial_list import TARGET_WORDS, Trial, TrialList, collect_trials
from training.fairness.groups import COUNTRY, SEX, People

META = "vox1_meta.csv"
LISTS = {
    "O": "veri_test2.txt",
    "E": "list_test_all2.txt",
    "H": "list_test_hard2.txt",
    "O-original": "veri_test.txt",
    "E-original": "list_test_all.txt",
    "H-original": "list_test_hard.txt",
}
SPEAKER, GENDER, NATIONALITY = "VoxCeleb1 ID", "Gender", "Nationality"
SEXES = {"m": "male", "f": "female"}


def read_list(root: Path, name: str) -> TrialList:
    """The list by its letter. Raises InvalidRequestError naming the file or line at fault."""
    if name not in LISTS:
        raise InvalidRequestError(f"no VoxCeleb1 list {name!r}; there are {', '.join(LISTS)}", field="list")
    path = root / LISTS[name]
    lines = _read(path).splitlines()
    return collect_trials(
        (f"{path}:{number}", _trial(line, f"{path}:{number}")) for number, line in enumerate(lines, 1)
    )


def read_meta(root: Path) -> People:
    """Sex and country of every speaker. Raises InvalidRequestError."""
    path = root / META
    rows = list(csv.DictReader(_read(path).splitlines(), delimiter="\t", restval=""))
    if not rows or not {SPEAKER, GENDER, NATIONALITY} <= rows[0].keys():
        raise InvalidRequestError(f"{path}: no columns {SPEAKER}, {GENDER}, {NATIONALITY}, tabs between", field="list")
    return People(
        columns={
            SEX: {row[SPEAKER]: SEXES.get(row[GENDER].strip().lower(), "") for row in rows},
            COUNTRY: {row[SPEAKER]: row[NATIONALITY].strip() for row in rows},
        }
    )


def speaker_of(side: str) -> str:
    """The first folder of a path, or the one after wav/: id10270/x6uYqmx31kE/00001.wav is of id10270."""
    return side.rpartition("wav/")[2].partition("/")[0]


def _trial(line: str, where: str) -> Trial:
    words = line.split()
    if len(words) != 3 or words[0] not in TARGET_WORDS:
        raise InvalidRequestError(f"{where}: wanted `1 enrolment test` or `0 ..`, got {line!r}", field="list")
    return Trial(
        enrolment=words[1],
        test=words[2],
        target=TARGET_WORDS[words[0]],
        enrolment_speaker=speaker_of(words[1]),
        test_speaker=speaker_of(words[2]),
    )


def _read(path: Path) -> str:
    try:
        return text_of(path, "list")
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; --voxceleb wants VoxCeleb1's folder as it is given out"
        raise InvalidRequestError(message, field="voxceleb") from error
