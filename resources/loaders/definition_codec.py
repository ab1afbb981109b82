"""Between a definition and its two columns: `definition` holds what is no secret, `secret` the rest, encrypted (A5).

Of a loader with a connection of its own the secret is one JSON of url, password and headers, bound to the version's row.
Rows of release 0.1 have the plain password text in it and headers in clear; both are read, `previous_release` rewrites them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from domain.loaders.connection_url import mask_query
from domain.loaders.definition import Connection, LoaderDefinition, compute_content_hash, document_of
from resources.access.encrypted_columns import LOADER_SECRET
from resources.encryption import Cipher
from resources.secret_registry import register_connection

#: What fingerprints of this scheme begin with; rows without it were written by release 0.1.
SCHEME = "k1-"
_SECRET_PARTS = ("url", "password", "headers")


class DefinitionCodec:
    """Encrypts, decrypts, fingerprints. Stateless beyond its keys."""

    def __init__(self, cipher: Cipher, fingerprint_key: bytes) -> None:
        self._cipher = cipher
        self._key = fingerprint_key

    def fingerprint(self, definition: LoaderDefinition) -> str:
        """What approval, seeding and imports compare."""
        return compute_content_hash(definition, key=self._key)

    def encode(self, definition: LoaderDefinition, *, version: int) -> tuple[dict[str, Any], bytes | None]:
        """The two columns."""
        body = document_of(definition)
        connection = body["connection"]
        if not isinstance(connection, dict):
            return body, None
        secret = {name: connection[name] for name in _SECRET_PARTS}
        body["connection"] = {**connection, "url": mask_query(connection["url"]), "headers": {}, "password": None}
        text = orjson.dumps(secret).decode()
        return body, self._cipher.encrypt(text, bound_to=LOADER_SECRET.binding(definition.code, version))

    def decode(
        self, code: str, version: int, *, body: Mapping[str, Any], secret: bytes | None, content_hash: str
    ) -> LoaderDefinition:
        """The definition; from now on this process masks its secrets wherever it writes text. Raises as `decode_document`."""
        document = self.decode_document(code, version, body=body, secret=secret, content_hash=content_hash)
        definition = LoaderDefinition.model_validate(document)
        if isinstance(definition.connection, Connection):
            register_connection(definition.connection)
        return definition

    def decode_document(
        self, code: str, version: int, *, body: Mapping[str, Any], secret: bytes | None, content_hash: str
    ) -> dict[str, Any]:
        """The document with its secrets in clear, as `document_of` has it.

        Raises:
            StorageError: altered, moved, or written under another key.
        """
        document = dict(body)
        if secret is None or not isinstance(document["connection"], dict):
            return document
        text = self._cipher.decrypt(bytes(secret), bound_to=LOADER_SECRET.binding(code, version))
        parts = orjson.loads(text) if content_hash.startswith(SCHEME) else {"password": text}
        return {**document, "connection": {**document["connection"], **parts}}
