"""Recordings with known turns: the ami excerpts, and the sample that ships inside pyannote.audio."""

import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from svc.audio.resample import resample
from svc.errors import InvalidRequestError
from svc.pipelines.rttm import read_rttm
from svc.types import Span, Turn, Waveform
from training.command_line import installation
from training.data.audio_files import read_recording
from training.data.manifest import read_manifest


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recording:
    """A recording at 16 kHz, who really spoke when, and the part that is scored."""

    uri: str
    waveform: Waveform
    turns: tuple[Turn, ...]
    scored: Span


def read_ami(root: Path, split: str) -> list[Recording]:
    """The excerpts of one split, in the order of the manifest; those without an evaluation map are left out."""
    turns = _by_uri(root / "ami" / "rttm", "*.rttm")
    scored = {uri: span for file in sorted((root / "ami" / "rttm").glob("*.uem")) for uri, span in _read_uem(file)}
    clips = [clip for clip in read_manifest(root / "manifest.csv") if (clip.corpus, clip.split) == ("ami", split)]
    uris = {_ascii(Path(clip.path).stem): root / clip.path for clip in clips}
    return [
        Recording(uri=uri, waveform=resample(read_recording(path)), turns=turns.get(uri, ()), scored=scored[uri])
        for uri, path in uris.items()
        if uri in scored
    ]


def sample_folder() -> Path:
    """Where pyannote.audio keeps its sample; found without the seconds that importing it takes.

    Raises InvalidRequestError where it is not installed.
    """
    found = find_spec("pyannote.audio")
    if found is None or not found.submodule_search_locations:
        raise InvalidRequestError(f"pyannote.audio is not installed: {installation('server')}")
    return Path(found.submodule_search_locations[0]) / "sample"


def read_pyannote_sample() -> Recording:
    """Thirty seconds of a telephone-like talk of two."""
    folder = sample_folder()
    waveform = resample(read_recording(folder / "sample.wav"))
    (turns,) = read_rttm(folder / "sample.rttm").values()
    return Recording(uri="sample", waveform=waveform, turns=turns, scored=Span(0.0, waveform.duration_s))


def _ascii(name: str) -> str:
    """A folder is called trñ00, its RTTM says trn00: compare without accents."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _by_uri(folder: Path, pattern: str) -> dict[str, tuple[Turn, ...]]:
    return {_ascii(uri): turns for file in sorted(folder.glob(pattern)) for uri, turns in read_rttm(file).items()}


def _read_uem(path: Path) -> list[tuple[str, Span]]:
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [(_ascii(uri), Span(float(start), float(end))) for uri, _, start, end in rows]
