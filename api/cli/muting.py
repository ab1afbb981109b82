"""What the commands that mute something have in common: matchers and ends as they are typed, and what would be muted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InputDataError

if TYPE_CHECKING:
    from resources.alerts.silences import Preview

Matchers = Annotated[list[str], typer.Argument(metavar="MATCHER…", help='service=loader, pod=~"load.*", team!=x')]
_LENGTH = re.compile(r"^(\d{1,6})(m|h|d)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_written(written: list[str]) -> list[dict[str, str]]:
    """Matchers as the services take them.

    Raises:
        InputDataError: one of them is none.
    """
    from domain.detection.matchers import parse_matcher

    return [parse_matcher(one).model_dump() for one in written]


def parse_end(written: str, *, now: datetime, option: str = "--until") -> datetime:
    """An instant (ISO 8601, UTC unless it has a zone), or a length from now: 30m, 8h, 2d.

    Raises:
        InputDataError: neither.
    """
    if found := _LENGTH.match(written):
        return now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise InputDataError(
            f"{option} {written!r} is no instant and no length", suggestion="for example 8h, 2d or 2026-11-24T06:00"
        ) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def print_preview(found: Preview) -> None:
    """What matchers mute now, and would have within the last day."""
    print(f"mutes {len(found.firing)} alerts that fire now; {found.last_day} alerts fired within the last day")
    for row in found.firing[:20]:
        print(f"  {row.severity.value:<8}  {row.title}")
    for rule, count in sorted(found.by_rule.items(), key=lambda pair: -pair[1]):
        print(f"  {count:>5} × {rule}")


def describe_matchers(matchers: list[dict[str, str]]) -> str:
    """In one line."""
    return ", ".join(f"{one['label']}{one['op']}{one['value']}" for one in matchers) or "everything"
