"""Artifacts: what is saved comes back; what is torn, altered or missing is refused."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.artifact import (
    CARD,
    TENSORS,
    card_of,
    first_fault,
    load_artifact,
    name_report,
    named_report,
    read_card,
    save_artifact,
)
from svc.errors import ArtifactError

names = st.text(min_size=1, max_size=20)
plain = st.text() | st.integers(-(2**60), 2**60) | st.booleans() | st.floats(allow_nan=False)
values = plain | st.lists(plain, max_size=3)
cards = st.dictionaries(
    names, st.recursive(values, lambda inner: st.dictionaries(names, inner, max_size=3)), max_size=4
)
TENSOR = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3)}


@settings(max_examples=50)
@given(cards)
def test_any_card_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, card: dict[str, object]) -> None:
    folder = tmp_path_factory.mktemp("artifact")
    save_artifact(folder, TENSOR, card)
    loaded = dict(load_artifact(folder).card)
    assert len(str(loaded.pop("tensors_sha256"))) == 64
    card.pop("tensors_sha256", None)
    assert loaded == card


def test_tensors_come_back_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    save_artifact(tmp_path, TENSOR, {"name": "x"})
    np.testing.assert_array_equal(load_artifact(tmp_path).tensors["weights"], TENSOR["weights"])
    assert {file.name for file in tmp_path.iterdir()} == {TENSORS, CARD}


def test_a_card_is_read_without_its_tensors(tmp_path: Path) -> None:
    save_artifact(tmp_path, TENSOR, {"name": "x"})
    whole = load_artifact(tmp_path)
    (tmp_path / TENSORS).unlink()
    card = read_card(tmp_path)
    assert (card.card, card.card_toml, card.digest) == (whole.card, whole.card_toml, whole.digest)


def test_half_the_bytes_keep_three_digits(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    save_artifact(tmp_path, {"weights": weights}, {}, half=True)
    loaded = load_artifact(tmp_path).tensors["weights"]
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, weights, rtol=1e-3, atol=1e-7)
    assert (tmp_path / TENSORS).stat().st_size < 2 * 2000 + 200


def test_a_tensor_that_half_the_bytes_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tensor weights"):
        save_artifact(tmp_path, {"weights": np.array([1e6], np.float32)}, {}, half=True)
    assert not list(tmp_path.iterdir())


def test_digest_changes_with_tensors_and_with_card(tmp_path: Path) -> None:
    digests = set()
    for number, tensors, name in ((0, TENSOR, "x"), (1, {"weights": TENSOR["weights"] + 1}, "x"), (2, TENSOR, "y")):
        save_artifact(tmp_path / str(number), tensors, {"name": name})
        digests.add(load_artifact(tmp_path / str(number)).digest)
    assert len(digests) == 3


def test_card_beside_the_tensors_of_another_save_is_refused(tmp_path: Path) -> None:
    save_artifact(tmp_path / "a", TENSOR, {})
    save_artifact(tmp_path / "b", {"weights": TENSOR["weights"] + 1}, {})
    (tmp_path / "a" / TENSORS).write_bytes((tmp_path / "b" / TENSORS).read_bytes())
    with pytest.raises(ArtifactError, match=r"not the file card.toml was written for"):
        load_artifact(tmp_path / "a")


@pytest.mark.parametrize(("name", "content"), [(TENSORS, b"junk"), (CARD, b"= no toml"), (CARD, b"\xff"), (CARD, b"")])
def test_broken_file_is_an_artifact_error(tmp_path: Path, name: str, content: bytes) -> None:
    save_artifact(tmp_path, TENSOR, {})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError):
        load_artifact(tmp_path)


@pytest.mark.parametrize(
    ("told", "shortly"),
    [
        ("Errors:\n\tsize of a\n\tsize of b\n\tsize of c", "size of a (and 2 more)"),
        ("Errors:\n\tsize of a", "size of a"),
        ("size", "size"),
        ("", "RuntimeError('')"),
    ],
)
def test_of_many_faults_the_first_is_told(told: str, shortly: str) -> None:
    assert first_fault(RuntimeError(told)) == shortly


@pytest.mark.parametrize("name", [TENSORS, CARD])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save_artifact(tmp_path, TENSOR, {})
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_artifact(tmp_path)


def test_card_of_things_toml_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="text, numbers, lists and tables"):
        save_artifact(tmp_path, TENSOR, {"x": None})
    assert not list(tmp_path.iterdir())


def test_infinity_survives(tmp_path: Path) -> None:
    save_artifact(tmp_path, TENSOR, {"x": math.inf})
    assert load_artifact(tmp_path).card["x"] == math.inf


def test_a_report_is_named_by_the_card_and_the_artifact_stays_the_same(tmp_path: Path) -> None:
    save_artifact(tmp_path, TENSOR, {"name": "x", "figures": {"eer": 0.1, "fairness_sha256": "a figure"}})
    before = load_artifact(tmp_path)
    assert named_report(tmp_path) == ""
    for report in (b"one", b"another"):
        name_report(tmp_path, report)
        after = load_artifact(tmp_path)
        assert named_report(tmp_path) == after.card["fairness_sha256"] == hashlib.sha256(report).hexdigest()
        assert after.digest == before.digest
        assert {**after.card, "fairness_sha256": None} == {**before.card, "fairness_sha256": None}
        assert after.card_toml.count("fairness_sha256") == 2


def test_without_a_card_no_report_is_named(tmp_path: Path) -> None:
    assert named_report(tmp_path) is None
    with pytest.raises(ArtifactError, match="cannot read"):
        name_report(tmp_path, b"report")


def test_nobody_writes_the_digest_of_a_report_by_hand() -> None:
    with pytest.raises(ValueError, match="fairness_sha256 is the card's own key"):
        card_of("toy", {"fairness_sha256": "0"}, {})
