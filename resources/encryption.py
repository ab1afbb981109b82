"""AES-256-GCM for sensitive columns: random nonce, key id in front, bound to the row and column it belongs to (A5).

The keys are HOME/secrets/encryption.key: one or more records of 40 bytes (id 8, key 32). The last one is the primary, which
encrypts; all of them decrypt. A file of one record is what earlier releases wrote. Every process notices a changed file by
itself, so that keys rotate while everything runs.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import ConfigurationError, StorageError
from resources.secret_files import load_secret_file

KEY_FILE = "encryption.key"
KEY_ID_BYTES = 8
RECORD_BYTES = KEY_ID_BYTES + 32
_NONCE = 12
_Stamp = tuple[int, int, int]


def new_key_record() -> bytes:
    """A fresh id and key."""
    return secrets.token_bytes(RECORD_BYTES)


def split_keyring(content: bytes, *, path: Path | None = None) -> dict[bytes, bytes]:
    """Key id → key in the order of the file; the last one is the primary.

    Raises:
        ConfigurationError: not a whole number of records, or one id twice.
    """
    records = [content[at : at + RECORD_BYTES] for at in range(0, len(content), RECORD_BYTES)]
    keys = {record[:KEY_ID_BYTES]: record[KEY_ID_BYTES:] for record in records}
    if not records or len(records[-1]) != RECORD_BYTES or len(keys) != len(records):
        where = str(path or KEY_FILE)
        raise ConfigurationError(f"{where} is damaged", suggestion="restore it from a backup", file=where)
    return keys


class Cipher:
    """Encrypts under the primary key. The stored form is key id (8 bytes) · nonce (12) · ciphertext and tag.

    Safe to use from many threads. With a path, the file is looked at before each encryption (one `stat`) and when a value
    names a key that is not known yet.
    """

    def __init__(self, keyring: bytes, *, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._adopt(keyring)

    @property
    def primary(self) -> bytes:
        """Id of the key that encrypts now."""
        self._refresh()
        return self._primary

    @property
    def key_ids(self) -> list[bytes]:
        """Ids of all keys, the primary last."""
        self._refresh()
        return list(self._aeads)

    def encrypt(self, text: str, *, bound_to: str) -> bytes:
        """Ciphertext of a text that only decrypts in the place named by `bound_to` ("table.column:row").

        Raises:
            ConfigurationError: the key file is gone or damaged: what is written now could never be read again.
        """
        self._refresh()
        with self._lock:
            key_id, aead = self._primary, self._aeads[self._primary]
        nonce = secrets.token_bytes(_NONCE)
        return key_id + nonce + aead.encrypt(nonce, text.encode(), bound_to.encode())

    def decrypt(self, stored: bytes, *, bound_to: str) -> str:
        """The text again.

        Raises:
            StorageError: altered, moved to another row, or written under a key that is not in the file.
        """
        key_id = stored[:KEY_ID_BYTES]
        if key_id not in self._aeads:
            self._refresh()
        aead = self._aeads.get(key_id)
        if aead is None:
            raise StorageError(
                f"{bound_to} was encrypted under another key",
                suggestion="restore HOME/secrets/encryption.key of that time",
            )
        nonce = stored[KEY_ID_BYTES : KEY_ID_BYTES + _NONCE]
        try:
            return aead.decrypt(nonce, stored[KEY_ID_BYTES + _NONCE :], bound_to.encode()).decode()
        except (InvalidTag, ValueError):
            raise StorageError(
                f"{bound_to} was altered after it was written",
                suggestion="set the secret again and look into the audit",
            ) from None

    def _refresh(self) -> None:
        """Read the file again if it is another one than last time."""
        if self._path is None:
            return
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp != self._stamp:
                self._adopt(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            raise ConfigurationError(
                f"{self._path} is gone", suggestion="restore it from a backup", file=str(self._path)
            ) from None

    def _adopt(self, content: bytes) -> None:
        keys = split_keyring(content, path=self._path)
        aeads = {key_id: AESGCM(key) for key_id, key in keys.items()}
        with self._lock:
            self._aeads, self._primary = aeads, next(reversed(aeads))


def load_cipher(home: Path) -> Cipher:
    """The cipher of a home; its first key is made on first use, readable by the owner alone.

    Raises:
        ConfigurationError: the key file is damaged.
    """
    path = home / "secrets" / KEY_FILE
    return Cipher(load_secret_file(home, KEY_FILE, new_key_record()), path=path)
