"""VoxCeleb1 from a tiny copy of its layout."""

from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from training.data.voxceleb import read_list, read_meta, speaker_of

META = """VoxCeleb1 ID	VGGFace1 ID	Gender	Nationality	Set
id10270	Eartha	f	USA	test
id10271	Eddie	m	UK	test
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "vox1_meta.csv").write_text(META)
    clips = ("id10270/x6uYqmx31kE/00001.wav", "id10270/8jEAjG6SegY/00008.wav", "id10271/1gtz-CUIygI/00001.wav")
    (tmp_path / "veri_test2.txt").write_text(f"1 {clips[0]} {clips[1]}\n0 {clips[0]} {clips[2]}\n")
    return tmp_path


def test_a_list_names_its_people_by_folder(root: Path) -> None:
    trials = read_list(root, "O")
    assert trials.target.tolist() == [True, False]
    assert trials.units == ("id10270", "id10270", "id10271")


def test_the_meta_file_tells_sex_and_country(root: Path) -> None:
    people = read_meta(root)
    assert people.columns == {
        "sex": {"id10270": "female", "id10271": "male"},
        "country": {"id10270": "USA", "id10271": "UK"},
    }


def test_of_people_whose_line_ends_early_the_rest_is_unknown(root: Path) -> None:
    (root / "vox1_meta.csv").write_text(META + "id10272\n")
    assert {of["id10272"] for of in read_meta(root).columns.values()} == {""}


def test_a_speaker_is_found_whatever_stands_before_wav() -> None:
    assert speaker_of("wav/id10270/a/1.wav") == speaker_of("/data/vox1/wav/id10270/a/1.wav") == "id10270"


def test_missing_or_odd_files_are_named(root: Path) -> None:
    with pytest.raises(InvalidRequestError, match="list_test_hard2"):
        read_list(root, "H")
    with pytest.raises(InvalidRequestError, match="there are O, E, H"):
        read_list(root, "X")
    (root / "veri_test2.txt").write_text("same id1/a.wav id2/b.wav\n")
    with pytest.raises(InvalidRequestError, match=r"veri_test2\.txt:1"):
        read_list(root, "O")
