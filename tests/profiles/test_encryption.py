"""Sealing: what goes in comes out, in its own place and nowhere else."""

import base64
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import StorageError
from svc.profiles.encryption import AesGcmCipher, PlainCipher, binding, cipher_for, load_key, new_key, save_key

PLACES = st.lists(st.text(max_size=8) | st.integers() | st.floats(allow_nan=False), max_size=4).map(tuple)


@given(st.binary(), PLACES)
def test_opening_undoes_sealing(content: bytes, place: tuple[str | float, ...]) -> None:
    cipher = AesGcmCipher(new_key())
    assert cipher.open(cipher.seal(content, binding(*place)), binding(*place)) == content


def test_two_sealings_of_one_content_share_no_nonce() -> None:
    cipher = AesGcmCipher(new_key())
    sealed = {cipher.seal(b"voice", b"")[:12] for _ in range(100)}
    assert len(sealed) == 100


@given(st.binary(min_size=1, max_size=64), st.integers(0, 10_000))
def test_any_changed_bit_is_noticed(content: bytes, where: int) -> None:
    cipher = AesGcmCipher(new_key())
    sealed = bytearray(cipher.seal(content, b"place"))
    sealed[where // 8 % len(sealed)] ^= 1 << where % 8
    with pytest.raises(StorageError):
        cipher.open(bytes(sealed), b"place")


@given(PLACES, PLACES)
def test_different_places_bind_differently(first: tuple[str | float, ...], second: tuple[str | float, ...]) -> None:
    assert (binding(*first) == binding(*second)) == (repr(first) == repr(second))


@pytest.mark.parametrize("stub", [b"", b"short", bytes(27)])
def test_a_truncated_value_is_a_storage_error(stub: bytes) -> None:
    with pytest.raises(StorageError, match="does not open"):
        AesGcmCipher(new_key()).open(stub, b"")


def test_without_a_key_nothing_is_sealed() -> None:
    assert isinstance(cipher_for(None), PlainCipher)


def test_a_saved_key_loads_and_is_private(tmp_path: Path) -> None:
    key = new_key()
    save_key(tmp_path / "key", key)
    assert load_key(tmp_path / "key") == key
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    save_key(tmp_path / "key", key := new_key())
    with pytest.raises(StorageError, match="exists"):
        save_key(tmp_path / "key", new_key())
    assert load_key(tmp_path / "key") == key


def test_a_key_that_could_not_be_written_leaves_no_file_in_the_way(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel now refuses what a full disk would refuse.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            save_key(tmp_path / "key", new_key())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "key").exists()
    save_key(tmp_path / "key", new_key())


@pytest.mark.parametrize("write", [base64.b64encode, base64.urlsafe_b64encode, lambda key: key.hex().upper().encode()])
def test_keys_in_hex_and_base64_load(tmp_path: Path, write: object) -> None:
    key = new_key()
    (tmp_path / "key").write_bytes(write(key) + b"\n")  # type: ignore[operator]
    assert load_key(tmp_path / "key") == key


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"00" * 31, b"zz" * 32])
def test_a_bad_key_file_names_itself_and_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(StorageError, match=r"key.*(new-key|key_file)"):
        load_key(tmp_path / "key")


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(StorageError, match="16 bytes"):
        AesGcmCipher(bytes(16))
