"""Our system in an evaluation is the one that serves, and every system knows the code its voices come from."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import equivox_files
from svc.application import Application
from svc.backends.store import ModelStore
from svc.config import EquivoxConfig
from svc.scoring.policy import policy_named
from tests.rpc.tiny_application import TinyApplication
from training.data.segments import SegmentReader
from training.data.trial_list import TrialList, collect_trials
from training.data.trials import draw_trials
from training.embeddings import embed_sides
from training.systems import PEER_SOURCES, READING_SOURCES, equivox_system, plain_cosine_system


@pytest.fixture(scope="module")
def application(store: ModelStore) -> Iterator[Application]:
    made = Application(EquivoxConfig())
    yield made
    made.close()


@pytest.fixture(scope="module")
def trials(data_root: Path) -> TrialList:
    drawn = draw_trials("saa-3s-degraded", root=data_root)
    chosen = [trial for trial in drawn if trial.target][:4] + [trial for trial in drawn if not trial.target][:4]
    return collect_trials(("trial", trial) for trial in chosen)


def test_all_code_between_a_file_and_a_voice_is_there() -> None:
    with closing(TinyApplication(EquivoxConfig())) as tiny:
        ours, plain = equivox_system(tiny), plain_cosine_system(tiny.embedder)
    missing = [path for path in (*ours.sources, *plain.sources, *PEER_SOURCES) if not path.exists()]
    assert not missing
    assert ours.version != plain.version


@pytest.mark.parametrize("sources", [READING_SOURCES, PEER_SOURCES])
def test_other_code_for_reading_files_makes_other_voices(sources: tuple[Path, ...]) -> None:
    assert Path(equivox_files.__file__).parent in sources


@pytest.mark.slow
def test_evaluated_llrs_are_those_that_verify_answers(
    application: Application, trials: TrialList, data_root: Path
) -> None:
    system, reader = equivox_system(application), SegmentReader(data_root)
    evaluated = system.compare(embed_sides(trials, reader, system.embed), trials.enrolment, trials.test)
    for number, (enrolment, test) in enumerate(zip(trials.enrolment, trials.test, strict=True)):
        one, other = (reader.read(reader.parse(trials.sides[side])) for side in (enrolment, test))
        answer = application.verifier.verify(one, other, policy_named("balanced"))
        assert evaluated.llrs[number] == pytest.approx(answer.llr, abs=1e-2)
        assert evaluated.scores[number] == pytest.approx(answer.score, abs=1e-3)


@pytest.mark.slow
def test_plain_cosine_embeds_the_whole_clip(application: Application, trials: TrialList, data_root: Path) -> None:
    reader, system = SegmentReader(data_root), plain_cosine_system(application.embedder)
    waveform = reader.read(reader.parse(trials.sides[0]))
    voice = system.embed(waveform)
    assert voice.net_speech_s == waveform.duration_s
    assert np.linalg.norm(voice.vector) == pytest.approx(1, abs=1e-5)
