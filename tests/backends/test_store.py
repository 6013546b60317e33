"""The model cache over real sources: a folder, and a wheel that the real pip fetches from a folder."""

import hashlib
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from svc.backends.lockfile import Companion, LockEntry, Source, WheelSource
from svc.backends.store import FileState, ModelStore
from svc.errors import ModelNotFoundError, ModelUnavailableError

CONTENT = bytes(range(256)) * 10_000
WHEEL = WheelSource(requirement="toymodel==1.0", member="toymodel/weights.bin")


def entry_of(*sources: Source, name: str = "toy", content: bytes = CONTENT) -> LockEntry:
    return LockEntry(
        name=name, role="embedder", description="", licence="MIT", architecture=1, file="weights.bin",
        bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), sources=sources,
    )  # fmt: skip


def store_of(folder: Path, *entries: LockEntry, offline: bool = False) -> ModelStore:
    return ModelStore(folder / "cache", offline=offline, lock={entry.name: entry for entry in entries})


def write_wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """A wheel whose code would give itself away if it were ever run."""
    path = folder / "toymodel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toymodel/__init__.py", "raise SystemExit('the code of a wheel ran')")
        archive.writestr("toymodel/weights.bin", content)
        archive.writestr("toymodel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toymodel\nVersion: 1.0\n")
        archive.writestr(
            "toymodel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("toymodel-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of pip's world."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def carried(tmp_path: Path) -> Path:
    """A folder somebody carried the file over in."""
    folder = tmp_path / "carried"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(CONTENT)
    return folder


def test_a_pull_from_a_wheel_reads_only_its_member(tmp_path: Path, index: Path) -> None:
    wheel_bytes = write_wheel(index).stat().st_size
    store, seen = store_of(tmp_path, entry_of(WHEEL)), list[tuple[int, int]]()
    path = store.pull("toy", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert (wheel_bytes, wheel_bytes) in seen
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    # Nothing else is left: neither the wheel nor a part.
    assert [found.name for found in tmp_path.glob("cache/**/*") if found.is_file()] == ["weights.bin"]


@pytest.mark.slow  # pip takes its time
def test_the_wheel_stays_until_all_its_models_are_there(tmp_path: Path, index: Path) -> None:
    wheel = write_wheel(index)
    store = store_of(tmp_path, entry_of(WHEEL), entry_of(WHEEL, name="second"))
    store.pull("toy")
    wheel.unlink()
    # The index has lost the wheel, but the first pull left it; offline is no hindrance either.
    store.offline = True
    assert store.pull("second").read_bytes() == CONTENT


@pytest.mark.slow  # pip takes its time
def test_a_wheel_with_other_content_is_refused_and_not_kept(tmp_path: Path, index: Path) -> None:
    write_wheel(index, CONTENT[::-1])
    store = store_of(tmp_path, entry_of(WHEEL))
    with pytest.raises(ModelUnavailableError, match="wheel: what it gave has sha256"):
        store.pull("toy")
    write_wheel(index)
    assert store.pull("toy").read_bytes() == CONTENT


@pytest.mark.slow  # pip takes its time
def test_a_broken_download_is_fetched_again(tmp_path: Path, index: Path) -> None:
    write_wheel(index)
    left = tmp_path / "cache/models/.downloads/toymodel-1.0/toymodel-1.0-py3-none-any.whl"
    left.parent.mkdir(parents=True)
    left.write_bytes((index / left.name).read_bytes()[:1000])
    assert store_of(tmp_path, entry_of(WHEEL)).pull("toy").read_bytes() == CONTENT


@pytest.mark.slow  # pip takes its time
def test_a_failed_pull_says_why_each_source_failed(tmp_path: Path, index: Path) -> None:
    missing = WheelSource(requirement="toymodel==2.0", member="x")
    store = store_of(tmp_path, entry_of(missing, missing))
    with pytest.raises(ModelUnavailableError, match=r"wheel: .*toymodel==2.0.*; wheel: .*--source FOLDER"):
        store.pull("toy")


@pytest.mark.parametrize("inside", ["", "toy"])
def test_a_pull_from_a_folder_finds_the_file(tmp_path: Path, inside: str) -> None:
    (tmp_path / "carried" / inside).mkdir(parents=True)
    (tmp_path / "carried" / inside / "weights.bin").write_bytes(CONTENT)
    store = store_of(tmp_path, entry_of(), offline=True)
    assert store.pull("toy", source=tmp_path / "carried").read_bytes() == CONTENT


def test_offline_says_so_at_once_and_names_the_way_out(tmp_path: Path) -> None:
    store = store_of(tmp_path, entry_of(WHEEL), offline=True)
    with pytest.raises(ModelUnavailableError, match=r"offline: .*toymodel==1.0.* --source FOLDER"):
        store.pull("toy")
    with pytest.raises(ModelUnavailableError, match=r"offline.*--source FOLDER"):
        store.path("toy")


def test_a_refused_pull_leaves_the_good_file_alone(tmp_path: Path, carried: Path) -> None:
    store = store_of(tmp_path, entry_of())
    store.pull("toy", source=carried)
    (carried / "weights.bin").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ModelUnavailableError, match="sha256"):
        store.pull("toy", source=carried, force=True)
    assert store.path("toy").read_bytes() == CONTENT


@pytest.mark.parametrize("damage", [CONTENT[:-1], b"x" + CONTENT[1:], b""])
def test_a_corrupt_file_is_never_handed_out_and_names_its_mend(tmp_path: Path, carried: Path, damage: bytes) -> None:
    store = store_of(tmp_path, entry_of())
    store.pull("toy", source=carried).write_bytes(damage)
    assert store.verify("toy").state is FileState.CORRUPT
    with pytest.raises(ModelUnavailableError, match="equivox models pull toy --force"):
        store.path("toy")
    store.pull("toy", source=carried)
    assert store.verify("toy").good


def test_a_missing_model_names_the_command_and_an_unknown_one_those_there_are(tmp_path: Path) -> None:
    store = store_of(tmp_path, entry_of())
    with pytest.raises(ModelUnavailableError, match=r"equivox models pull toy$"):
        store.path("toy")
    with pytest.raises(ModelNotFoundError, match="no model 'other'; there are toy"):
        store.path("other")


def test_an_export_counts_only_with_its_own_weights_and_undamaged(tmp_path: Path) -> None:
    store = store_of(tmp_path, entry_of())
    assert store.exported("toy") is None
    path = store.add_export("toy", lambda part: part.write_bytes(b"graph"))
    assert store.exported("toy") == path
    assert tomllib.loads((tmp_path / "cache/models/toy/toy.onnx.toml").read_text())["architecture"] == 1
    assert store_of(tmp_path, entry_of(content=b"new weights")).exported("toy") is None
    path.write_bytes(b"grapf")
    with pytest.raises(ModelUnavailableError, match="equivox models export toy --force"):
        store.exported("toy")


def test_a_failed_export_leaves_the_former_one(tmp_path: Path) -> None:
    store = store_of(tmp_path, entry_of())
    store.add_export("toy", lambda part: part.write_bytes(b"graph"))
    with pytest.raises(ZeroDivisionError):
        store.add_export("toy", lambda part: part.write_bytes(b"half") / 0)
    path = store.exported("toy")
    assert path is not None
    assert path.read_bytes() == b"graph"


def with_words(*sources: Source) -> LockEntry:
    """A model of two files."""
    words = Companion(file="words.txt", bytes=5, sha256=hashlib.sha256(b"words").hexdigest())
    return replace(entry_of(*sources), companions=(words,))


def test_a_model_of_two_files_is_good_only_with_both(tmp_path: Path, carried: Path) -> None:
    store = store_of(tmp_path, with_words())
    with pytest.raises(ModelUnavailableError, match=r"words\.txt"):
        store.pull("toy", source=carried)
    assert store.verify("toy").state is FileState.MISSING
    (carried / "words.txt").write_bytes(b"words")
    seen: list[tuple[int, int]] = []
    path = store.pull("toy", source=carried, progress=lambda done, total: seen.append((done, total)))
    assert path.name == "weights.bin"
    assert path.with_name("words.txt").read_bytes() == b"words"
    assert seen[-1] == (len(CONTENT) + 5, len(CONTENT) + 5)
    assert sorted(seen) == seen


def test_a_corrupt_companion_is_found_and_mended(tmp_path: Path, carried: Path) -> None:
    (carried / "words.txt").write_bytes(b"words")
    store = store_of(tmp_path, with_words())
    companion = store.pull("toy", source=carried).with_name("words.txt")
    companion.write_bytes(b"swore")
    assert store.verify("toy").state is FileState.CORRUPT
    with pytest.raises(ModelUnavailableError, match="equivox models pull toy --force"):
        store.path("toy")
    store.pull("toy", source=carried)
    assert companion.read_bytes() == b"words"


def test_a_wheel_is_fetched_once_for_all_files_of_a_model(tmp_path: Path, index: Path) -> None:
    with zipfile.ZipFile(write_wheel(index), "a") as archive:
        archive.writestr("toymodel/words.txt", "words")
    path = store_of(tmp_path, with_words(WHEEL)).pull("toy")
    files = [found.name for found in tmp_path.glob("cache/**/*") if found.is_file()]
    assert sorted(files) == ["weights.bin", "words.txt"]
    assert path.with_name("words.txt").read_bytes() == b"words"
