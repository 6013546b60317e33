"""Recognised chunks cut anywhere and joined again are what they were."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from svc.backends.chunk_pieces import cut_chunk, join_chunks
from svc.backends.protocols import Emission, RecognisedChunk


@st.composite
def chunks(draw: st.DrawFn) -> RecognisedChunk:
    first, num_frames = draw(st.integers(0, 20)), draw(st.integers(1, 6))
    # A beam may settle on a token after its frame: some lie before the chunk.
    frames = st.lists(st.integers(max(0, first - 3), first + num_frames - 1), max_size=6).map(sorted)
    rows = [tuple(Emission(4, frame) for frame in draw(frames)) for _ in range(4)]
    activity = np.random.default_rng(first).random((2, num_frames), np.float32)
    return RecognisedChunk(
        first_frame=first,
        emissions=(rows[0], rows[1]),
        partial=(rows[2], rows[3]),
        activity=activity,
        masks=activity.repeat(4, axis=1)[:, :, None].repeat(3, axis=2),
    )


@given(chunks(), st.data())
def test_cut_and_joined_it_is_what_it_was(chunk: RecognisedChunk, data: st.DataObject) -> None:
    num_frames = chunk.activity.shape[1]
    cuts = sorted({0, num_frames, *data.draw(st.lists(st.integers(0, num_frames), max_size=3))})
    parts = [cut_chunk(chunk, start, stop) for start, stop in pairwise(cuts)]
    whole = join_chunks(parts)
    assert (whole.first_frame, whole.emissions, whole.partial) == (chunk.first_frame, chunk.emissions, chunk.partial)
    np.testing.assert_array_equal(whole.activity, chunk.activity)
    np.testing.assert_array_equal(whole.masks, chunk.masks)


@given(chunks(), st.data())
def test_a_part_knows_nothing_of_what_comes_after_it(chunk: RecognisedChunk, data: st.DataObject) -> None:
    stop = data.draw(st.integers(1, chunk.activity.shape[1]))
    part = cut_chunk(chunk, 0, stop)
    if stop < chunk.activity.shape[1]:
        for emission in (*part.emissions[0], *part.partial[0], *part.partial[1]):
            assert emission.frame < chunk.first_frame + stop
    assert part.masks.shape[1] == 4 * stop
