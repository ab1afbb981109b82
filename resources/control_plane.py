"""The services of the control plane, assembled once per process from settings and a database: for the API, its pages and the CLI.

Each is made when first asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from resources.access.audit_log import AuditLog, load_audit_log
from resources.access.field_policies import FieldPolicies
from resources.access.rate_limits import RateLimits
from resources.encryption import Cipher, load_cipher
from resources.postgres.engine import make_engine
from resources.postgres.url import DatabaseUrl
from resources.secret_files import load_secret_file
from resources.settings import Settings

if TYPE_CHECKING:
    from domain.access.permissions import Caller
    from resources.access.api_tokens import ApiTokens
    from resources.access.audit_trail import AuditTrail
    from resources.access.key_rotation import KeyRotation
    from resources.access.login import Login
    from resources.access.login_audit import LoginAudit
    from resources.access.oidc import OidcLogin
    from resources.access.password_hashes import PasswordHashes
    from resources.access.rate_counter import RateCounter
    from resources.access.sessions import Sessions
    from resources.access.signing_keys import SigningKeys
    from resources.access.users import Users
    from resources.loaders.impact import Impact, ImpactPreview
    from resources.loaders.versions import LoaderVersions
    from resources.notification.rule_store import RuleStore
    from resources.workbook.service import Workbooks


@dataclass(frozen=True)
class ControlPlane:
    """Services over one engine. They share it; who opened the control plane disposes of it."""

    settings: Settings
    url: DatabaseUrl
    engine: Engine

    @cached_property
    def cipher(self) -> Cipher:
        """Encryption of sensitive columns."""
        return load_cipher(self.settings.home)

    @cached_property
    def audit(self) -> AuditLog:
        """Where every change leaves its entry."""
        return load_audit_log(self.settings.home)

    @cached_property
    def audit_trail(self) -> AuditTrail:
        """Reading, exporting and verifying the audit."""
        from resources.access.audit_anchors import AuditAnchors
        from resources.access.audit_trail import AuditTrail

        return AuditTrail(self.engine, self.audit, AuditAnchors(self.settings.home, self.audit.key))

    @cached_property
    def key_rotation(self) -> KeyRotation:
        """Rotation of the key that encrypts columns."""
        from resources.access.key_rotation import KeyRotation

        return KeyRotation(self.engine, self.cipher, self.audit, home=self.settings.home)

    @cached_property
    def policies(self) -> FieldPolicies:
        """Which fields a role sees."""
        return FieldPolicies(self.engine)

    @cached_property
    def rate_limits(self) -> RateLimits:
        """Limits per role, route and user."""
        return RateLimits(self.engine, self.audit)

    @cached_property
    def rate_counter(self) -> RateCounter:
        """Counts requests; shared through Redis where one is configured."""
        from resources.access.rate_counter import RateCounter

        redis_url = self.settings.redis_url
        return RateCounter(redis_url.get_secret_value() if redis_url else None)

    @cached_property
    def users(self) -> Users:
        """People who log in."""
        from resources.access.users import Users

        return Users(self.engine, hashes=self.password_hashes, sessions=self.sessions, audit=self.audit)

    @cached_property
    def sessions(self) -> Sessions:
        """Who is logged in."""
        from resources.access.sessions import Sessions

        return Sessions(self.engine)

    @cached_property
    def login(self) -> Login:
        """Logging in, refreshing, logging out."""
        from resources.access.login import Login

        return Login(
            self.engine,
            hashes=self.password_hashes,
            sessions=self.sessions,
            keys=self.signing_keys,
            login_audit=self.login_audit,
            audit=self.audit,
        )

    @cached_property
    def oidc(self) -> OidcLogin:
        """Login by an identity provider.

        Raises:
            NotFoundError: none is configured.
        """
        from resources.access.oidc import open_oidc

        return open_oidc(self)

    @cached_property
    def password_hashes(self) -> PasswordHashes:
        """Argon2id."""
        from resources.access.password_hashes import PasswordHashes

        return PasswordHashes()

    @cached_property
    def signing_keys(self) -> SigningKeys:
        """Keys of access tokens."""
        from resources.access.signing_keys import SigningKeys

        return SigningKeys(self.engine, self.cipher, self.audit)

    @cached_property
    def api_tokens(self) -> ApiTokens:
        """Tokens of machines."""
        from resources.access.api_tokens import ApiTokens

        return ApiTokens(self.engine, self.audit)

    @cached_property
    def login_audit(self) -> LoginAudit:
        """Every attempt to get in."""
        from resources.access.login_audit import LoginAudit

        return LoginAudit(self.engine, failures_per_ip=self.settings.login_failures_per_ip)

    @cached_property
    def _csrf_key(self) -> bytes:
        return load_secret_file(self.settings.home, "csrf.key", secrets.token_bytes(32))

    def csrf_token_of(self, caller: Caller) -> str:
        """What a form of this session carries as `csrf_token` (scripts: header `X-CSRF-Token`); 64 hex digits."""
        return hmac.new(self._csrf_key, f"csrf:{caller.session_id}".encode(), hashlib.sha256).hexdigest()

    @cached_property
    def loaders(self) -> LoaderVersions:
        """Loader versions and their lifecycle."""
        from resources.loaders.versions import load_loader_versions

        return load_loader_versions(self.settings.home, self.engine, cipher=self.cipher, audit=self.audit)

    @cached_property
    def impact(self) -> ImpactPreview:
        """Dry captures of versions."""
        from resources.loaders.impact import ImpactPreview
        from resources.sources import source_for

        return ImpactPreview(source_for, self.settings.connections)

    def preview_loader(self, code: str, version: int, *, at: datetime) -> Impact:
        """What that version would capture now, against what the ACTIVE one has captured.

        Raises:
            NotFoundError: no such version. ConflictError: too many previews at a time.
        """
        from resources.lake.connection import open_lake

        record = self.loaders.get(code, version)
        running = self.loaders.get_summary(code)["active_version"]
        active = self.loaders.get(code, running).definition if running else None
        with open_lake(self.settings, self.url, is_read_only=True) as lake:
            return self.impact.preview(record.definition, version=version, active=active, lake=lake, at=at)

    @cached_property
    def notification_rules(self) -> RuleStore:
        """Who is told, when and how."""
        from resources.notification.rule_store import RuleStore

        return RuleStore(self.settings)

    @cached_property
    def workbooks(self) -> Workbooks:
        """Loaders out to Excel workbooks and in again."""
        from resources.workbook.service import Workbooks

        return Workbooks(self.engine, self.loaders, self.policies, self.audit)


@contextmanager
def open_control_plane(settings: Settings, url: DatabaseUrl) -> Iterator[ControlPlane]:
    """The services for the length of the block, on an engine of their own."""
    engine = make_engine(url, pool_size=5, max_overflow=5)
    try:
        yield ControlPlane(settings, url, engine)
    finally:
        engine.dispose()
