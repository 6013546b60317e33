"""Files of utterances, in the encodings that come."""

from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from tests.training.data.talkers import talkers
from training.data.utterances import read_utterances, write_utterances


def test_utterances_with_a_byte_order_mark_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "utterances.jsonl"
    write_utterances(path, talkers())
    plain = read_utterances(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_utterances(path) == plain


def test_utterances_in_another_encoding_are_named(tmp_path: Path) -> None:
    (tmp_path / "utterances.jsonl").write_bytes('{"utterance_id": "schön"}\n'.encode("latin-1"))
    with pytest.raises(InvalidRequestError, match=r"utterances\.jsonl is not UTF-8"):
        read_utterances(tmp_path / "utterances.jsonl")
