"""Checks of notification: would somebody be told, and does telling work."""

from __future__ import annotations

from collections.abc import Iterator

from domain.errors import EtlmonError
from resources.channels import channels_of
from resources.clock import utc_now
from resources.doctor.finding import Finding, ok, problem, warning
from resources.notification.auditor import audit_notification
from resources.notification.rule_store import RuleStore
from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings


def check_notification(settings: Settings, url: DatabaseUrl) -> Iterator[Finding]:
    """What the auditor finds; silence is a problem, the rest are warnings."""
    engine = make_engine(url)
    try:
        channels = channels_of(settings)
        with transaction(engine) as connection:
            found = audit_notification(connection, RuleStore(settings).load(), channels, now=utc_now())
    except EtlmonError as error:
        yield problem("notification", error.reason, error.suggestion)
        return
    finally:
        engine.dispose()
    for one in found:
        yield (problem if one.is_silence else warning)("notification", one.detail, one.remedy)
    if not found:
        yield ok("notification", f"somebody is on call, {len(channels)} channels work")
