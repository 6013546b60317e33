"""The manifest reader on good and bad files."""

from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from training.data.manifest import COLUMNS, DEV, TEST, TRAIN, noises_for, read_manifest, read_with_columns

GOOD = "a.wav,saa,test,saa:a,0,,,,,,16000,2.5,"


def write(folder: Path, *rows: str, header: str = ",".join(COLUMNS)) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_empty_labels_stay_unknown(tmp_path: Path) -> None:
    (clip,) = read_manifest(write(tmp_path, GOOD))
    assert (clip.sex, clip.country, clip.age) == ("", "", None)
    assert (clip.sample_rate_hz, clip.duration_s) == (16_000, 2.5)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("a.wav,saa,test,,0,,,,,,16000,2.5,", ":3: speaker is empty"),
        ("a.wav,saa,test,saa:a,0,,,,,,fast,2.5,", ":3: sample_rate_hz is 'fast'"),
        ("a.wav,saa,test,saa:a,0,,,,,,16000,-1,", ":3: duration_s is -1"),
    ],
)
def test_bad_row_is_named_by_line_and_column(tmp_path: Path, bad: str, named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        read_manifest(write(tmp_path, GOOD, bad))


def test_missing_column_and_missing_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no column duration_s"):
        read_manifest(write(tmp_path, header=",".join(COLUMNS).replace(",duration_s", "")))
    with pytest.raises(InvalidRequestError, match=r"no column planet; has path,"):
        read_with_columns(write(tmp_path, GOOD), ("planet", "planet"))
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InvalidRequestError, match=r"empty\.csv is empty: its first line must be path,corpus"):
        read_manifest(tmp_path / "empty.csv")
    (tmp_path / "wide.csv").write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(InvalidRequestError, match=r"wide\.csv is not UTF-8"):
        read_manifest(tmp_path / "wide.csv")
    with pytest.raises(InvalidRequestError, match="EQUIVOX_DATA"):
        read_manifest(tmp_path / "absent.csv")


def test_the_real_manifest_reads_whole(data_root: Path) -> None:
    clips = read_manifest(data_root / "manifest.csv")
    splits: dict[str, set[str]] = {}
    for clip in clips:
        if clip.corpus not in ("noise", "ami"):
            splits.setdefault(clip.speaker, set()).add(clip.split)
    assert len(clips) > 10_000
    assert {len(of_speaker) for of_speaker in splits.values()} == {1}, "splits must be speaker-disjoint"


def test_any_column_can_be_read_by_clip(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + ",north", header=",".join((*COLUMNS, "accent")))
    ((clip, values),) = read_with_columns(path, ("accent", "sex"))
    assert (clip.path, values) == ("a.wav", ("north", ""))
    with pytest.raises(InvalidRequestError, match="no column planet"):
        read_with_columns(path, ("planet",))


def test_only_test_talkers_are_heard_in_the_noises_of_the_test(tmp_path: Path) -> None:
    noises = [GOOD.replace("saa,test", f"noise,{split}").replace("a.wav", split) for split in (TRAIN, TEST)]
    clips = read_manifest(write(tmp_path, GOOD, *noises))
    heard = {split: [clip.path for clip in noises_for(clips, split)] for split in (TRAIN, DEV, TEST)}
    assert heard == {TRAIN: [TRAIN], DEV: [TRAIN], TEST: [TEST]}
