"""Bringing tickets and incidents together: one due ticket after the other, first what happened there, then what happened here.

A job of its own does it, never the transaction of an incident. Every failure has an outcome that the row of the ticket shows:
refused → an hour later, delayed → backoff (spread by ±20 %) or as the desk asks, deleted over there → nothing any more.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from domain.backoff import spread_wait
from domain.errors import CircuitOpenError, EtlmonError
from domain.notification.message import DeliveryDelayedError, DeliveryRefusedError
from domain.ports import TicketDesk
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import TicketGoneError
from resources.incidents.desk import IncidentDesk
from resources.json_logs import get_logger
from resources.notification.outcomes import retry_after_break, words_of
from resources.postgres.engine import transaction
from resources.tickets import outcomes, rows
from resources.tickets.inward import apply_news
from resources.tickets.listener import note_ticket, take_requests
from resources.tickets.outward import Outward

_REFUSED_S = 3_600
_DELAYED_S = 30
_LONGEST_S = 900
#: A new ticket may be missing in searches for so long; before that it is not looked for.
_INDEX_S = 90
_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Synced:
    """What one run did, in tickets; `heard`: actions of people over there that changed an incident."""

    done: int = 0
    created: int = 0
    heard: int = 0
    delayed: int = 0
    refused: int = 0
    gone: int = 0


class TicketSync:
    """Works through what is due. `observe` hears of each request before and after it is made."""

    def __init__(
        self,
        engine: Engine,
        desk: TicketDesk,
        incidents: IncidentDesk,
        rules: TicketRules,
        *,
        base_url: str,
        observe: Callable[[str], None] = lambda _: None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._incidents = incidents
        self._rules = rules
        self._out = Outward(engine, desk, rules, base_url, observe)
        self._timer = timer

    def sync_due(self, *, now: datetime, budget_s: float = 60.0, only: int | None = None) -> Synced:
        """Everything that is due, at most `at_most` of the rules; stops early when the desk fails again and again."""
        began, counts, failed = self._timer(), Counter[str](), 0
        with transaction(self._engine) as connection:
            take_requests(connection, self._rules, now=now)
        for _ in range(self._rules.at_most):
            passed = self._timer() - began
            at = now + timedelta(seconds=passed)
            with transaction(self._engine) as connection:
                one = rows.claim_due(connection, now=at, only=only)
            if one is None:
                break
            outcome = self._sync(one, at, counts)
            counts[outcome] += 1
            failed = 0 if outcome in {"done", "created"} else failed + 1
            if failed >= _FAILURES or passed > budget_s:
                break
        return Synced(**{name: counts[name] for name in Synced.__dataclass_fields__})

    def _sync(self, one: rows.Claimed, now: datetime, counts: Counter[str]) -> str:
        try:
            is_more = self._bring_together(one, now, counts)
        except TicketGoneError as error:
            return self._part(one, error, now)
        except EtlmonError as error:
            return self._fail(one, error, now)
        except Exception as error:  # noqa: BLE001 - a defect about one ticket must not hold up the ones behind it
            words = f"handling the ticket failed: {type(error).__name__}"
            return self._fail(one, DeliveryDelayedError(words, suggestion="a defect, please report it"), now)
        with transaction(self._engine) as connection:
            outcomes.record_done(connection, one, now=now, is_more=is_more)
        return "created" if one.key is None and is_more else "done"

    def _bring_together(self, one: rows.Claimed, now: datetime, counts: Counter[str]) -> bool:
        if one.key is None:
            return self._out.create(one, now=now)  # what happened since is carried over in the next pass
        news, own = (
            self._desk.read_news(one.key, seen_changes=one.seen_changes, seen_remark=one.seen_comment_id),
            self._desk.own_account(),
        )
        with transaction(self._engine) as connection:
            counts["heard"] += apply_news(connection, self._incidents, self._rules, one, news, own_account=own, now=now)
        return self._out.carry(one, news)

    def _part(self, one: rows.Claimed, error: TicketGoneError, now: datetime) -> str:
        """Deleted over there, unless the whole project has become invisible: then somebody has to let us in again."""
        try:
            is_deleted = one.key is not None and self._desk.sees_project()
        except EtlmonError as other:
            return self._fail(one, other, now)
        if not is_deleted:
            return self._fail(one, error, now)
        with transaction(self._engine) as connection:
            detail = {"ticket": one.key, "reason": error.reason}
            note_ticket(connection, one.incident_id, kind="ticket-gone", detail=detail, now=now)
            outcomes.record_gone(connection, one, reason=words_of(error), now=now)
        return "gone"

    def _fail(self, one: rows.Claimed, error: EtlmonError, now: datetime) -> str:
        reason = words_of(error)
        get_logger(__name__).warning("ticket not brought up to date", incident=one.incident_id, reason=reason)
        is_refused = isinstance(error, DeliveryRefusedError)
        is_open = isinstance(error, CircuitOpenError)
        is_unsent = is_refused or is_open or bool(error.context.get("is_certain"))
        due_at = retry_after_break(error, now=now) if is_open else now + _wait(one, error, is_unsent=is_unsent)
        with transaction(self._engine) as connection:
            if is_refused and not one.is_failing:
                detail = {"ticket": one.key, "reason": reason}
                note_ticket(connection, one.incident_id, kind="ticket-refused", detail=detail, now=now)
            outcomes.record_failed(
                connection, one, reason=reason, due_at=due_at, is_unsent=is_unsent, is_attempt=not is_open
            )
        return "refused" if is_refused else "delayed"


def _wait(one: rows.Claimed, error: EtlmonError, *, is_unsent: bool) -> timedelta:
    if isinstance(error, DeliveryRefusedError):
        return timedelta(seconds=_REFUSED_S)
    asked = error.context.get("retry_after_s")
    doubled = min(_LONGEST_S, _DELAYED_S * 2 ** min(one.attempts - 1, 10))
    backoff = spread_wait(doubled, f"ticket:{one.incident_id}", one.attempts)
    least = 0 if is_unsent or one.key is not None else _INDEX_S
    return timedelta(seconds=max(least, float(asked) if asked is not None else backoff))
