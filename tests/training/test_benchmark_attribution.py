"""Labels counted against brute force over who they stand for, and the truth as a stream hears it."""

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.pipelines.identification import Identifier
from svc.scoring.calibration import Calibration
from tests.pipelines.live.attributed_stream import identifying
from tests.pipelines.live.label_voices import calibration
from tests.pipelines.toy_voices import HumEmbedder
from tests.training.data.talkers import TonesInMemory, talkers
from tests.training.metrics.conversations import turn
from training.benchmark_attribution import Attribution, TrueSession, attribution_of, markdown, true_stream
from training.data.conversation_sets import Conversation
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.data.rendering import Mixture, Sounds, render
from training.event_transcript import play

LABELS = ("S0", "S1", "S2", "UNKNOWN")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(LABELS)), max_size=7))
def test_labels_stand_for_speakers_as_well_as_they_can(said: list[tuple[str, str]]) -> None:
    truth = [turn("a", 2.0 * place, 2.0 * place + 1, speaker=speaker) for place, (speaker, _) in enumerate(said)]
    found = [turn("a", 2.0 * place, 2.0 * place + 1, speaker=label) for place, (_, label) in enumerate(said)]
    unknown = sum(label == "UNKNOWN" for _, label in said)
    right = max(
        sum((speaker, label) in zip("xyz", order, strict=True) for speaker, label in said)
        for order in permutations(LABELS[:3])
    )
    expected = Attribution(right=right, wrong=len(said) - unknown - right, unknown=unknown)
    assert attribution_of(truth, found) == expected


def test_a_turn_on_the_other_channel_is_not_found() -> None:
    one = turn("a", 0, 1, channel=0)
    assert attribution_of([one], [turn("a", 0, 1, channel=1)]) == Attribution(missed=1)


def test_shares_are_of_all_turns() -> None:
    table = markdown({"digits, 0L": Attribution(right=3, unknown=1), "digits, 0S": Attribution(wrong=4)})
    assert table.splitlines()[-1] == "| all | 8 | 37.5 | 50.0 | 12.5 | 0.0 |"


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    """Synthetic talkers, some at once."""
    spoken = talkers()
    simulator = MixtureSimulator(spoken, MixtureConfig(room_share=0, noise_share=0, max_duration_s=12))
    return render(simulator.draw(3), Sounds(TonesInMemory(spoken)))


def test_the_truth_in_chunks_is_the_truth_whole(mixture: Mixture) -> None:
    whole, pieces = TrueSession(mixture), TrueSession(mixture)
    mels = np.zeros((400, 80), np.float32)
    chunk, chunks = whole.recognise(mels), [pieces.recognise(piece) for piece in np.split(mels, [4, 100, 112])]
    np.testing.assert_array_equal(np.concatenate([each.masks for each in chunks], axis=1), chunk.masks)
    np.testing.assert_array_equal(np.concatenate([each.activity for each in chunks], axis=1), chunk.activity)
    assert [token for each in chunks for token in each.emissions[0]] == list(chunk.emissions[0])
    assert [each.first_frame for each in chunks] == [0, 1, 25, 28]


def test_true_masks_share_out_the_power(mixture: Mixture) -> None:
    chunk = TrueSession(mixture).recognise(np.zeros((400, 80), np.float32))
    assert chunk.masks.min() >= 0
    np.testing.assert_allclose(chunk.masks.sum(axis=0), 1, atol=1e-3)


@dataclass
class ToyParts:
    """An embedder of hums, and profiles of nobody who speaks."""

    identifier: Identifier
    embedder: HumEmbedder
    calibration: Calibration


def test_every_true_turn_is_told_of_where_it_is(mixture: Mixture, tmp_path: Path) -> None:
    with identifying(tmp_path) as identifier:
        parts = ToyParts(identifier, HumEmbedder(), calibration())
        found = play(true_stream(parts, mixture), mixture.samples, piece_s=0.1)
    reference = Conversation(uri="a", domain="b", condition="c", recipe=mixture.recipe).reference
    assert sum(len(heard.words) for heard in found) == sum(len(true.words) for true in reference)
    counts = attribution_of(reference, found)
    assert (counts.turns, counts.missed) == (len(reference), 0)
