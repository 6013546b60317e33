"""The lock file: the shipped one is sound, a broken one names its fault."""

import pytest

from svc.backends.lockfile import HubSource, WheelSource, read_lock

MODEL = """
[[model]]
name = "toy"
role = "embedder"
description = "a toy"
licence = "MIT"
architecture = 1
file = "toy.bin"
bytes = 3
sha256 = "{sha256}"
""".format(sha256="0" * 64)


def test_the_shipped_lock_names_a_licence_and_a_source_for_every_model() -> None:
    entries = read_lock()
    assert {"campplus", "pyannote-segmentation-3.0", "silero-vad"} <= entries.keys()
    assert all(entry.licence and entry.sources for entry in entries.values())


def test_every_wheel_is_pinned_to_one_version() -> None:
    wheels = [source for e in read_lock().values() for source in e.sources if isinstance(source, WheelSource)]
    assert wheels
    assert all("==" in wheel.requirement for wheel in wheels)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (MODEL + MODEL, "share a name"),
        (MODEL.replace("bytes = 3", "bytes = 0"), "toy: sha256 must be"),
        (MODEL.replace('licence = "MIT"', ""), "toy: .*licence"),
        (MODEL + 'colour = "red"', "toy: .*colour"),
        (MODEL + '[[model.companion]]\nfile = "x"\nbytes = 1\nsha256 = "1"', "toy: sha256 must be"),
        (MODEL + '[[model.companion]]\nfile = "x"', "toy: .*bytes"),
        (MODEL + '[[model.source]]\nkind = "ftp"', "toy: .*'ftp' is none of package, hub, wheel"),
        (MODEL + '[[model.source]]\nkind = "hub"\nmember = "x"', "toy: .*a hub source has no member"),
        (MODEL + '[[model.source]]\nkind = "hub"\nfile = "x"', "toy: .*repository"),
    ],
)
def test_a_broken_lock_names_the_model_and_the_fault(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_lock(text)


def test_a_companion_lies_beside_the_main_file_in_every_source() -> None:
    sources = """
[[model.source]]
kind = "wheel"
requirement = "toy==1"
member = "toy/data/toy.bin"

[[model.source]]
kind = "hub"
repository = "a/toy"
file = "toy.bin"
"""
    companion = f'[[model.companion]]\nfile = "words.txt"\nbytes = 5\nsha256 = "{"1" * 64}"'
    entry = read_lock(MODEL + companion + sources)["toy"]
    main, words = entry.parts()
    assert (main.file, main.bytes, words.file, words.bytes, entry.total_bytes) == ("toy.bin", 3, "words.txt", 5, 8)
    assert words.sources == (
        WheelSource(requirement="toy==1", member="toy/data/words.txt"), HubSource(repository="a/toy", file="words.txt")
    )  # fmt: skip
