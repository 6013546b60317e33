"""The measure of aligned edges: exact on a joined recording whose edges are found, and it sees what is off."""

from collections.abc import Sequence

import numpy as np

from svc.types import FloatArray, RecognisedWord
from tests.training.data.test_pauses import bursts
from tests.training.data.toy_aligner import EvenAligner
from training.data.alignment_error import JoinedWords, draw_trials, edge_errors_s, join_words, trimmed

WORD = trimmed(bursts((0.2, 0.6), duration_s=1.0))


class KnowingAligner(EvenAligner):
    """Gives the true edges of one recording, as late as attention is."""

    def __init__(self, joined: JoinedWords, *, late_s: float = 0.05) -> None:
        super().__init__()
        self.joined, self.late_s = joined, late_s

    def align(self, samples: FloatArray, words: Sequence[str]) -> list[RecognisedWord]:
        # The lead of 0.2 s and pauses up to 0.5 s are not squeezed, so times are those of the whole recording.
        return [
            RecognisedWord(text=word, start_s=span.start_s + self.late_s, end_s=span.end_s + self.late_s, probability=1)
            for word, span in zip(words, self.joined.spans, strict=True)
        ]


def test_joined_words_stand_where_their_spans_say() -> None:
    joined = join_words([("one", WORD), ("two", WORD)], (0.2, 0.4), np.random.default_rng(0))
    for span in joined.spans:
        cut = joined.samples[round(span.start_s * 16_000) : round(span.end_s * 16_000)]
        np.testing.assert_allclose(cut, WORD, atol=0.005)


def test_edges_beside_pauses_are_found_to_a_frame_or_two() -> None:
    joined = join_words([("one", WORD)] * 4, (0.2, 0.4), np.random.default_rng(1))
    assert np.abs(edge_errors_s(joined, KnowingAligner(joined))).max() <= 0.025


def test_an_aligner_gone_astray_shows() -> None:
    joined = join_words([("one", WORD)] * 4, (0.2, 0.4), np.random.default_rng(1))
    assert np.abs(edge_errors_s(joined, KnowingAligner(joined, late_s=0.6))).mean() > 0.2


def test_trials_are_those_of_their_seed() -> None:
    talkers = {"a": [(str(number), WORD) for number in range(8)]}
    first, again = (draw_trials(talkers, (0.1, 0.2), 3, seed=4) for _ in range(2))
    assert [trial.texts for trial in first] == [trial.texts for trial in again]
    assert all(len(set(trial.texts)) == 5 for trial in first)
