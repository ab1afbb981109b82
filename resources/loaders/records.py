"""What the services of loader versions answer with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import EtlmonError
from domain.loaders.connection_url import mask_query
from domain.loaders.definition import LoaderDefinition, document_of
from domain.loaders.lifecycle import Action, Decision, VersionFacts, list_actions
from domain.vocabulary import VersionState


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version with its secrets in clear: `document` is what may be shown, after the field policies."""

    code: str
    version: int
    state: VersionState
    revision: int
    definition: LoaderDefinition
    content_hash: str
    authors: tuple[str, ...]
    created_by: str
    created_at: datetime
    updated_at: datetime
    submitted_by: str | None
    submitted_at: datetime | None
    submitted_hash: str | None
    decided_by: str | None
    decided_at: datetime | None
    decision: Decision | None
    decision_reason: str | None
    activated_at: datetime | None
    archived_at: datetime | None
    based_on: int | None

    @property
    def etag(self) -> str:
        """Changes with every change of the version; without the quotes of the header."""
        return f"{self.code}.{self.version}.{self.revision}"

    @property
    def document(self) -> dict[str, Any]:
        """The definition as plain JSON for `control.policies.show("loaders", …, role)`; secret query values are masked always."""
        return showable(document_of(self.definition))

    @property
    def actions(self) -> list[Action]:
        """What its state leaves open, whoever asks."""
        return list_actions(self.facts)

    @property
    def facts(self) -> VersionFacts:
        """What `domain.loaders.lifecycle` decides by."""
        return VersionFacts(
            code=self.code,
            version=self.version,
            state=self.state,
            revision=self.revision,
            content_hash=self.content_hash,
            authors=frozenset(self.authors),
            submitted_by=self.submitted_by,
            submitted_hash=self.submitted_hash,
            is_once_active=self.activated_at is not None,
        )


@dataclass(frozen=True, slots=True)
class PutResult:
    """What an import did with one definition: `created`, `edited`, `unchanged` or `refused` (then `error` says why).

    `index` is its place in what was given; `code` is empty where the definition has none that can be read.
    """

    index: int
    code: str
    action: str
    version: int | None = None
    error: EtlmonError | None = None


def showable(document: dict[str, Any]) -> dict[str, Any]:
    """A document without secret values in the query of its url; password and headers are the field policies' business."""
    connection = document.get("connection")
    if not isinstance(connection, dict) or not isinstance(connection.get("url"), str):
        return document
    return {**document, "connection": {**connection, "url": mask_query(connection["url"])}}
