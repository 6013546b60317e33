"""The benchmark: the same trials for every system, a table for README, and voices kept for the next run."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.toy_system import SpectrumEmbedder, spectrum_system
from training.benchmark import HEADER, SYSTEMS, markdown, run
from training.data.audio_files import load_waveform
from training.evaluate import Evaluation, Settings
from training.systems import System, resemblyzer_system


def toy_systems() -> list[tuple[SpectrumEmbedder, System]]:
    embedders = [SpectrumEmbedder(), SpectrumEmbedder()]
    return [(embed, spectrum_system(embed, name=name)) for embed, name in zip(embedders, ("one", "two"), strict=True)]


def run_toys(systems: list[System], root: Path, out: Path) -> dict[str, list[Evaluation]]:
    return run(["hyke", "saa-2s-degraded"], systems, root=root, out=out, settings=Settings(replicas=10))


def test_all_systems_score_the_same_trials_and_a_second_run_embeds_nothing(corpus_root: Path, tmp_path: Path) -> None:
    evaluations = run_toys([system for _, system in toy_systems()], corpus_root, tmp_path)
    for one, two in evaluations.values():
        assert one.trials is two.trials
        assert one.overall == two.overall
    again = toy_systems()
    run_toys([system for _, system in again], corpus_root, tmp_path)
    assert [embed.num_embedded for embed, _ in again] == [0, 0]


def test_table_has_a_row_a_set_and_system_and_no_cllr_of_uncalibrated_scores(corpus_root: Path, tmp_path: Path) -> None:
    uncalibrated = spectrum_system(SpectrumEmbedder(), name="raw", calibrated=False)
    systems = [spectrum_system(SpectrumEmbedder()), uncalibrated]
    lines = markdown(run_toys(systems, corpus_root, tmp_path)).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:2] for row in rows[:2]] == [["hyke", "spectrum"], ["hyke", "raw"]]
    assert len(rows) == 4
    assert rows[1][HEADER.index("Cllr")] == rows[1][HEADER.index("Cllr / minCllr")] == "-"
    assert float(rows[0][HEADER.index("Cllr")]) > 0


def test_our_system_and_both_peers_are_run_by_default() -> None:
    assert list(SYSTEMS) == ["equivox", "campplus-cosine", "resemblyzer"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # an old package; it is a peer, not a dependency
def test_resemblyzer_tells_real_voices_apart(data_root: Path) -> None:
    pytest.importorskip("resemblyzer", reason="a peer, installed by `make evaluation` alone", exc_type=ImportError)
    system = resemblyzer_system()
    paths = sorted((data_root / "hyke").glob("*/*_[12].opus"))[:6]
    vectors = np.stack([system.embed(load_waveform(path)).vector for path in paths])
    cosines = vectors @ vectors.T
    same = [cosines[clip, clip + 1] for clip in range(0, 6, 2)]
    assert min(same) > max(cosines[clip, other] for clip in (0, 1) for other in (2, 3, 4, 5))
