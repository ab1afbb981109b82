"""AES-256-GCM for sensitive columns: random nonce, key id in front, bound to the row and column it belongs to (A5)."""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import ConfigurationError, StorageError
from resources.secret_files import load_secret_file

_NONCE = 12
_KEY_ID = 8


class Cipher:
    """Encrypts under one key. The stored form is key id (8 bytes) · nonce (12) · ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key[_KEY_ID:])
        self._key_id = key[:_KEY_ID]

    def encrypt(self, text: str, *, bound_to: str) -> bytes:
        """Ciphertext of a text that only decrypts in the place named by `bound_to` ("table.column:row")."""
        nonce = secrets.token_bytes(_NONCE)
        return self._key_id + nonce + self._aead.encrypt(nonce, text.encode(), bound_to.encode())

    def decrypt(self, stored: bytes, *, bound_to: str) -> str:
        """The text again.

        Raises:
            StorageError: altered, moved to another row, or written under another key.
        """
        if stored[:_KEY_ID] != self._key_id:
            raise StorageError(
                f"{bound_to} was encrypted under another key",
                suggestion="restore HOME/secrets/encryption.key of that time",
            )
        nonce = stored[_KEY_ID : _KEY_ID + _NONCE]
        try:
            return self._aead.decrypt(nonce, stored[_KEY_ID + _NONCE :], bound_to.encode()).decode()
        except InvalidTag:
            raise StorageError(
                f"{bound_to} was altered after it was written",
                suggestion="set the secret again and look into the audit",
            ) from None


def load_cipher(home: Path) -> Cipher:
    """The cipher of a home; its key is made on first use, readable by the owner alone.

    Raises:
        ConfigurationError: the key file is damaged.
    """
    path = home / "secrets" / "encryption.key"
    key = load_secret_file(home, path.name, secrets.token_bytes(_KEY_ID + 32))
    if len(key) != _KEY_ID + 32:
        raise ConfigurationError(f"{path} is damaged", suggestion="restore it from a backup", file=str(path))
    return Cipher(key)
