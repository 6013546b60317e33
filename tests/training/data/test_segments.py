"""Segments as text, and rendered."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.types import Span
from training.data.augment import Degradation
from training.data.segments import Piece, Segment, SegmentReader, parse_segment

names = st.text("abc/_-. é", min_size=1, max_size=10)
spans = st.tuples(st.integers(0, 5000), st.integers(1, 5000)).map(lambda ms: Span(ms[0] / 1000, sum(ms) / 1000))
pieces = st.builds(Piece, names, st.none() | spans)
recipes = st.builds(
    Degradation,
    rt60_s=st.sampled_from([0.0, 0.35]),
    noise=names,
    snr_db=st.floats(-5, 20),
    telephone=st.booleans(),
    seed=st.integers(0, 2**31),
)


@given(st.builds(Segment, st.lists(pieces, min_size=1, max_size=3).map(tuple), st.none() | recipes))
def test_text_of_a_segment_reads_back_as_it(segment: Segment) -> None:
    assert parse_segment(str(segment)) == segment


@pytest.mark.parametrize("text", ["", "a||b", "a#t=1", "a#t=2,1", "a#t=x,y", "a#t=-1,2", "degrade:snr_db=3"])
def test_broken_segments_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_segment(text)


def test_unknown_degradation_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="'loudness'"):
        parse_segment("a|degrade:loudness=3")


def test_pieces_are_cut_by_time_and_joined(tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, 8000, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", ramp, 8000, subtype="FLOAT")
    waveform = SegmentReader(tmp_path).read(parse_segment("a.wav#t=0.5,0.75|a.wav#t=0,0.25"))
    np.testing.assert_allclose(waveform.samples, np.concatenate([ramp[4000:6000], ramp[:2000]]), atol=1e-6)


def test_a_file_whose_name_looks_like_a_segment_wins(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a|b#t=1,2", np.zeros(8000), 8000, format="WAV")
    assert SegmentReader(tmp_path).parse("a|b#t=1,2") == Segment((Piece("a|b#t=1,2"),))


def test_a_recording_of_several_channels_is_refused_with_what_to_do(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((8000, 2)), 8000)
    with pytest.raises(InvalidRequestError, match="write each to a file of its own"):
        SegmentReader(tmp_path).read(parse_segment("a.wav"))


def test_missing_files_stretches_past_the_end_and_mixed_rates_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    soundfile.write(tmp_path / "b.wav", np.zeros(16000), 16000)
    reader = SegmentReader(tmp_path)
    with pytest.raises(InvalidRequestError, match="no such file"):
        reader.parse("a.wav|degrade:noise=absent.wav&snr_db=3")
    with pytest.raises(InvalidRequestError, match="ends after"):
        reader.read(parse_segment("a.wav#t=0.5,1.5"))
    with pytest.raises(InvalidRequestError, match="joins sample rates"):
        reader.read(parse_segment("a.wav|b.wav"))
