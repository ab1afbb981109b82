"""Loader versions in PostgreSQL: seeding from rule files, and the ACTIVE versions that capture reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from domain.loaders.definition import Connection as SourceConnection
from domain.loaders.definition import LoaderDefinition, compute_content_hash
from domain.vocabulary import VersionState
from resources.encryption import Cipher
from resources.postgres.engine import transaction

SEED_ACTOR = "rule-file"
SEED_APPROVER = "release"


@dataclass(frozen=True, slots=True)
class ActiveLoader:
    """An ACTIVE version, ready to run."""

    definition: LoaderDefinition
    version: int


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What seeding did with one definition: `activated`, `pending` (an operator's version runs) or `unchanged`."""

    code: str
    version: int
    action: str


def _binding(code: str, version: int) -> str:
    return f"loader_versions.secret:{code}:{version}"


class LoadersRepository:
    """Reads and writes loader versions. One transaction per call."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def list_active(self) -> list[ActiveLoader]:
        """All ACTIVE versions by code, secrets decrypted."""
        query = text(
            "SELECT code, version, definition, secret FROM loader_versions WHERE state = 'ACTIVE' ORDER BY code"
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return [ActiveLoader(self._read(r.code, r.version, r.definition, r.secret), r.version) for r in rows]

    def seed(self, definitions: list[LoaderDefinition], *, at: datetime) -> list[SeedResult]:
        """Bring rule files in through the version lifecycle. Seeding the same content again changes nothing."""
        with transaction(self._engine) as connection:
            connection.execute(text("LOCK TABLE loader_versions IN SHARE ROW EXCLUSIVE MODE"))
            return [self._seed_one(connection, definition, at=at) for definition in definitions]

    def _seed_one(self, connection: Connection, definition: LoaderDefinition, *, at: datetime) -> SeedResult:
        code, content = definition.code, compute_content_hash(definition)
        connection.execute(
            text("INSERT INTO loaders (code, created_at) VALUES (:code, :at) ON CONFLICT DO NOTHING"),
            {"code": code, "at": at},
        )
        rows = connection.execute(
            text(
                "SELECT version, state, content_hash, created_by FROM loader_versions WHERE code = :code ORDER BY version"
            ),
            {"code": code},
        ).all()
        seeded = [row for row in rows if row.created_by == SEED_ACTOR]
        if seeded and seeded[-1].content_hash == content:
            return SeedResult(code, seeded[-1].version, "unchanged")
        active = next((row for row in rows if row.state == VersionState.ACTIVE), None)
        is_ours = active is None or active.created_by == SEED_ACTOR
        version = (rows[-1].version if rows else 0) + 1
        if active is not None and is_ours:
            connection.execute(
                text(
                    "UPDATE loader_versions SET state = 'ARCHIVED', archived_at = :at WHERE code = :code AND version = :version"
                ),
                {"at": at, "code": code, "version": active.version},
            )
        self._insert(connection, definition, version=version, at=at, is_activated=is_ours)
        return SeedResult(code, version, "activated" if is_ours else "pending")

    def _insert(
        self, connection: Connection, definition: LoaderDefinition, *, version: int, at: datetime, is_activated: bool
    ) -> None:
        body = definition.model_dump(mode="json")
        secret = None
        if isinstance(definition.connection, SourceConnection):
            password = definition.connection.password
            body["connection"].pop("password", None)
            if password is not None:
                secret = self._cipher.encrypt(password.get_secret_value(), bound_to=_binding(definition.code, version))
        connection.execute(
            text(
                "INSERT INTO loader_versions (code, version, state, definition, content_hash, secret, created_by, created_at,"
                " submitted_by, submitted_at, decided_by, decided_at, activated_at)"
                " VALUES (:code, :version, :state, :definition, :hash, :secret, :actor, :at, :actor, :at,"
                " CASE WHEN :is_activated THEN :approver END, CASE WHEN :is_activated THEN CAST(:at AS timestamptz) END,"
                " CASE WHEN :is_activated THEN CAST(:at AS timestamptz) END)"
            ),
            {
                "code": definition.code,
                "version": version,
                "state": (VersionState.ACTIVE if is_activated else VersionState.PENDING).value,
                "definition": json.dumps(body),
                "hash": compute_content_hash(definition),
                "secret": secret,
                "actor": SEED_ACTOR,
                "approver": SEED_APPROVER,
                "at": at,
                "is_activated": is_activated,
            },
        )

    def _read(self, code: str, version: int, body: dict[str, object], secret: bytes | None) -> LoaderDefinition:
        definition = LoaderDefinition.model_validate(body)
        if secret is None or not isinstance(definition.connection, SourceConnection):
            return definition
        password = SecretStr(self._cipher.decrypt(bytes(secret), bound_to=_binding(code, version)))
        connection = definition.connection.model_copy(update={"password": password})
        return definition.model_copy(update={"connection": connection})
