"""Which columns hold ciphertext, and what binds each value to its row. The one place: who writes, reads or rotates asks here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A bytea column of ciphertext; `keys` is the primary key of its table in order."""

    table: str
    column: str
    keys: tuple[str, ...]

    def binding(self, *key: object) -> str:
        """The associated data of one value: "table.column:key:key". A value moved to another row no longer decrypts."""
        if len(key) != len(self.keys):
            raise ValueError(f"{self.table}.{self.column} is bound to {self.keys}")
        return f"{self.table}.{self.column}:{':'.join(map(str, key))}"


#: JSON of a loader version's connection url, password and headers.
LOADER_SECRET = EncryptedColumn("loader_versions", "secret", ("code", "version"))
#: A key that signs access tokens.
SIGNING_SECRET = EncryptedColumn("signing_keys", "secret", ("key_id",))

#: `etlmon keys rotate` walks these. A new encrypted column is a new line here.
ENCRYPTED_COLUMNS: tuple[EncryptedColumn, ...] = (LOADER_SECRET, SIGNING_SECRET)
