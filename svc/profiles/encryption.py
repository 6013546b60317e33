"""Sealing what is personal before it reaches the disk: AES-256-GCM, bound to the row it belongs to."""

import base64
import binascii
import json
import os
import secrets
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from svc.errors import StorageError

KEY_BYTES = 32
NONCE_BYTES = 12


class Cipher(Protocol):
    """Seals and opens small values. `bound_to` names the place of a value; it opens nowhere else."""

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        """Content to what is stored."""
        ...

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """What is stored to content. Raises StorageError when it was altered, moved or sealed with another key."""
        ...


class AesGcmCipher:
    """AES-256-GCM: a fresh 12-byte nonce before each ciphertext, `bound_to` as associated data."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise StorageError(f"the profile key has {len(key)} bytes, need {KEY_BYTES}; make one with new_key()")
        self._aead = AESGCM(key)

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, content, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise StorageError(
                "a stored value does not open: altered, moved from another row, or another key"
            ) from error


class PlainCipher:
    """No key was configured: values are stored as they are, readable by whoever can read the file."""

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        return content

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        return sealed


def cipher_for(key: bytes | None) -> Cipher:
    """AES-GCM with a key, plain without."""
    return PlainCipher() if key is None else AesGcmCipher(key)


def binding(*place: str | float) -> bytes:
    """The name of a place as bytes, unambiguous: no two different places give the same bytes."""
    return json.dumps(place).encode()


def new_key() -> bytes:
    """32 fresh random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def save_key(path: Path, key: bytes) -> None:
    """Writes a key file as hex, readable by its owner only. Never replaces one: a lost key loses every voiceprint."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise StorageError(
            f"{path} exists; a replaced key would lock every stored profile, choose another name"
        ) from error
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        # Ours, for it was not there: half a key would only stand in the way of the next.
        path.unlink(missing_ok=True)
        raise


def load_key(path: Path) -> bytes:
    """Reads a key file: 32 bytes as hex or base64. Raises StorageError naming the file and the remedy."""
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read the key file {path}: {error}; check profiles.key_file") from error
    key = _decoded(text)
    if len(key) != KEY_BYTES:
        raise StorageError(
            f"{path} must hold {KEY_BYTES} bytes as hex or base64; make one with `equivox profiles new-key`"
        )
    return key


def configured_key(key_file: Path | None) -> bytes | None:
    """Of profiles.key_file, None without. Raises as `load_key` does."""
    return load_key(key_file) if key_file else None


def _decoded(text: str) -> bytes:
    # 32 bytes are 64 hex digits; base64 of 32 bytes has 43 or 44 characters, so the two never collide.
    try:
        return bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text + "==", altchars=b"-_")
    except (ValueError, binascii.Error):
        return b""
