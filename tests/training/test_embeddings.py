"""Each side is embedded once, in this run and, with a cache, in the next."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from svc.errors import InvalidRequestError
from tests.training.conftest import RATE_HZ, voice
from tests.training.toy_system import SpectrumEmbedder
from training.data.segments import SegmentReader
from training.data.trial_list import Trial, TrialList, collect_trials
from training.data.trials import make_trials
from training.embeddings import VoiceCache, embed_sides, source_digest


def trials_of(*pairs: tuple[str, str]) -> TrialList:
    rows = [Trial(enrolment=one, test=other, target=bool(n % 2)) for n, (one, other) in enumerate(pairs)]
    return collect_trials((f"t.csv:{line}", row) for line, row in enumerate(rows, start=2))


def test_each_side_is_embedded_once_and_in_order(corpus_root: Path) -> None:
    embed, reader = SpectrumEmbedder(), SegmentReader(corpus_root)
    trials = make_trials("hyke", root=corpus_root)
    voices = embed_sides(trials, reader, embed)
    assert embed.num_embedded == len(trials.sides) == 18
    for side, vector in zip(trials.sides, voices.vectors, strict=True):
        np.testing.assert_array_equal(vector, embed(reader.read(reader.parse(side))).vector)


def test_cosines_are_those_of_the_pairs(corpus_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.embeddings.COSINE_BLOCK", 7)
    trials = make_trials("hyke", root=corpus_root)
    voices = embed_sides(trials, SegmentReader(corpus_root), SpectrumEmbedder())
    by_hand = [
        voices.vectors[one] @ voices.vectors[other] for one, other in zip(trials.enrolment, trials.test, strict=True)
    ]
    np.testing.assert_allclose(voices.cosines(trials.enrolment, trials.test), by_hand, rtol=1e-5)


def test_cached_voices_are_the_same_and_cost_nothing(corpus_root: Path, tmp_path: Path) -> None:
    trials, reader = make_trials("saa-2s-degraded", root=corpus_root), SegmentReader(corpus_root)
    path = tmp_path / "voices" / "spectrum.npz"
    fresh = embed_sides(trials, reader, SpectrumEmbedder(), cache=VoiceCache(path))
    again = SpectrumEmbedder()
    cached = embed_sides(trials, reader, again, cache=VoiceCache(path))
    assert again.num_embedded == 0
    np.testing.assert_array_equal(cached.vectors, fresh.vectors)
    np.testing.assert_array_equal(cached.voiceprints[3].net_speech_s, fresh.voiceprints[3].net_speech_s)


def test_a_changed_file_is_embedded_again(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, voice(100), RATE_HZ)
    trials, cache = trials_of(("a.wav", "b.wav")), VoiceCache(tmp_path / "voices.npz")
    embed_sides(trials, SegmentReader(tmp_path), SpectrumEmbedder(), cache=cache)
    soundfile.write(tmp_path / "b.wav", voice(200, duration_s=3), RATE_HZ)
    again = SpectrumEmbedder()
    embed_sides(trials, SegmentReader(tmp_path), again, cache=VoiceCache(tmp_path / "voices.npz"))
    assert again.num_embedded == 1


def test_a_side_without_speech_is_marked_and_cached_as_such(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(100), RATE_HZ)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    trials, path = trials_of(("a.wav", "silence.wav")), tmp_path / "voices.npz"
    for _ in range(2):
        voices = embed_sides(trials, SegmentReader(tmp_path), SpectrumEmbedder(), cache=VoiceCache(path))
        assert voices.heard.tolist() == [True, False]
    with pytest.raises(InvalidRequestError, match="enough speech"):
        embed_sides(trials_of(("silence.wav", "silence.wav")), SegmentReader(tmp_path), SpectrumEmbedder())


def test_missing_file_is_named_by_its_line_before_any_work(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(100), RATE_HZ)
    embed = SpectrumEmbedder()
    with pytest.raises(InvalidRequestError, match=r"t\.csv:3: no such file: .*absent\.wav"):
        embed_sides(trials_of(("a.wav", "a.wav"), ("a.wav", "absent.wav")), SegmentReader(tmp_path), embed)
    assert embed.num_embedded == 0


def test_unreadable_file_is_named_by_its_line(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(100), RATE_HZ)
    (tmp_path / "broken.wav").write_bytes(b"not audio at all")
    with pytest.raises(InvalidRequestError, match=r"t\.csv:2"):
        embed_sides(trials_of(("a.wav", "broken.wav")), SegmentReader(tmp_path), SpectrumEmbedder())


def test_digest_of_sources_changes_with_any_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    one = source_digest([tmp_path])
    (tmp_path / "b.py").write_text("2")
    assert source_digest([tmp_path]) != one


def test_voices_are_saved_on_the_way(corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.embeddings.SAVE_EVERY_S", 0.0)
    path, trials = tmp_path / "voices.npz", make_trials("hyke", root=corpus_root)
    kept: list[int] = []
    embed_sides(
        trials,
        SegmentReader(corpus_root),
        SpectrumEmbedder(),
        cache=VoiceCache(path),
        on_side=lambda: kept.append(len(VoiceCache(path).known)),
    )
    assert kept[0] == 0
    assert 0 < kept[-1] <= len(trials.sides) == len(VoiceCache(path).known)


@pytest.mark.parametrize("content", [b"", b"PK no archive", b"side,voice\n"])
def test_a_file_of_something_else_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "voices.npz").write_bytes(content)
    with pytest.raises(InvalidRequestError, match=r"voices\.npz is no file of voiceprints: delete it"):
        VoiceCache(tmp_path / "voices.npz")


def test_a_file_of_other_arrays_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "voices.npz", keys=np.zeros(3))
    with pytest.raises(InvalidRequestError, match="no file of voiceprints"):
        VoiceCache(tmp_path / "voices.npz")
