"""A small corpus of synthetic voices (harmonics of a pitch of their own, in syllables) laid out like the real one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from svc.types import FloatArray
from tests.training.data.manifests import write_manifest

RATE_HZ = 8_000


def voice(pitch_hz: float, *, duration_s: float = 4.0, seed: int = 0) -> FloatArray:
    """Harmonics in syllables of 0.2 s with pauses of 0.05 s, over a little noise."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    syllables = (time_s % 0.25) < 0.2
    harmonics = sum(np.sin(2 * np.pi * pitch_hz * k * time_s + random.uniform(0, 6)) / k for k in range(1, 9))
    samples = 0.1 * syllables * harmonics + random.normal(0, 1e-4, len(time_s))
    return np.asarray(samples, dtype=np.float32)


@pytest.fixture(scope="session")
def corpus_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six `hyke` talkers of 3 clips, six `saa` talkers of 1 clip, two `wuw` callers of 2 calls per sex, four `azdigits`
    talkers of 7 words; test noises."""
    root = tmp_path_factory.mktemp("corpus")
    rows = [*hyke_rows(root), *saa_rows(root), *wuw_rows(root), *azdigits_rows(root), *noise_rows(root)]
    write_manifest(root, rows)
    return root


def hyke_rows(root: Path) -> list[dict[str, object]]:
    return [
        row(
            root,
            f"hyke/{who}/{clip}.wav",
            voice(90 + 3 * who + 2.5 * clip, seed=10 * who + clip),
            who=f"hyke:{who}",
            sex=sex_of(who),
        )
        for who in range(6)
        for clip in range(3)
    ]


def saa_rows(root: Path) -> list[dict[str, object]]:
    return [
        row(
            root,
            f"saa/{who}/{who}.wav",
            voice(95 + 21 * who, duration_s=15, seed=who),
            who=f"saa:{who}",
            sex=sex_of(who),
        )
        for who in range(6)
    ]


def wuw_rows(root: Path) -> list[dict[str, object]]:
    return [
        row(
            root,
            f"wuw/{who}/{call}_{clip:03d}.wav",
            voice(100 + 30 * who, duration_s=1.5, seed=100 * who + 10 * call + clip),
            who=f"wuw:{who}",
            sex=sex_of(who),
            session=str(call),
        )
        for who in range(4)
        for call in range(2)
        for clip in range(1, 11)
    ]


def azdigits_rows(root: Path) -> list[dict[str, object]]:
    return [
        row(
            root,
            f"azdigits/{who}/{word}.wav",
            voice(110 + 25 * who, duration_s=0.8, seed=50 * who + word),
            who=f"azdigits:{who}",
            sex=sex_of(who),
        )
        for who in range(4)
        for word in range(7)
    ]


def noise_rows(root: Path) -> list[dict[str, object]]:
    random = np.random.default_rng(0)
    samples = [random.normal(0, 0.1, RATE_HZ * 3).astype(np.float32) for _ in range(2)]
    return [row(root, f"noise/{n}.wav", samples[n], who="noise:hiss", sex="") for n in range(2)]


def sex_of(who: int) -> str:
    return "female" if who % 2 else "male"


def row(root: Path, path: str, samples: FloatArray, *, who: str, sex: str, session: str = "0") -> dict[str, object]:
    """Writes the clip and returns its manifest row, all of it in the test split."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / path, samples, RATE_HZ, subtype="FLOAT")
    return {
        "path": path,
        "corpus": path.split("/")[0],
        "split": "test",
        "speaker": who,
        "session": session,
        "sex": sex,
        "channel": "microphone",
        "sample_rate_hz": RATE_HZ,
        "duration_s": len(samples) / RATE_HZ,
    }
