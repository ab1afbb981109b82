"""A rule over what the lake holds of the past."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.backtest import Backtest, KnownIncident, summarise_backtest
from domain.detection.evaluation import evaluate_rules
from domain.detection.rule import Composite, Rule
from domain.errors import ConfigurationError
from resources.detection.signals_window import read_history
from resources.lake.connection import Lake


def run_backtest(
    lake: Lake, connection: Connection, rule: Rule, others: Mapping[str, Rule], *, since: datetime, until: datetime
) -> Backtest:
    """When the rule would have fired in [since, until), by the evaluation that judges live samples.

    Args:
        others: rules by id, for composites.

    Raises:
        ConfigurationError: the rule cannot be judged, or a composite names rules that do not exist.
    """
    parts: list[Rule] = []
    if isinstance(rule.when, Composite):
        if lost := [name for name in rule.when.rules if name not in others]:
            raise ConfigurationError(f"no rule {lost[0]!r}", suggestion="`etlmon rules list` shows all rules")
        parts = [others[name] for name in rule.when.rules]
    aloud = rule.made_live()
    reach = timedelta(seconds=max(one.window_s for one in [*parts, rule]))
    window = read_history(lake, [*parts, aloud], since=since - reach, until=until)
    found = evaluate_rules([*parts, aloud], window, [], now=until)
    if found.failed:
        raise ConfigurationError(
            f"the rule cannot be judged: {found.failed[0].reason}", suggestion="try it with `etlmon rules test`"
        )
    mine = [event for event in found.events if event.rule_id == rule.id and event.fired_at >= since]
    return summarise_backtest(mine, read_known_incidents(lake, connection, since=since, until=until))


def read_known_incidents(
    lake: Lake, connection: Connection, *, since: datetime, until: datetime
) -> list[KnownIncident]:
    """Incidents of the desk, and periods that were marked or suspected, that touch the range."""
    rows = connection.execute(
        text(
            "SELECT incident_id, service, onset_at, coalesce(mitigated_at, resolved_at, closed_at) AS ended_at FROM incidents"
            " WHERE onset_at <= :until AND coalesce(mitigated_at, resolved_at, closed_at, :until) >= :since"
            " AND NOT is_drill ORDER BY onset_at"
        ),
        {"since": since, "until": until},
    )
    known = [KnownIncident(f"incident {row.incident_id}", row.service, row.onset_at, row.ended_at) for row in rows]
    periods = lake.query(
        "SELECT incident_id, coalesce(service, '') AS service, started_at, ended_at FROM incident_periods"
        " WHERE started_at <= ? AND (ended_at IS NULL OR ended_at >= ?) ORDER BY started_at",
        [until, since],
    )
    return known + [KnownIncident(f"period {name}", *rest) for name, *rest in periods.iter_rows()]
