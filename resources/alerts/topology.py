"""The service graph as a table: read from the labels of captured series now and then, and by correlation in its transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.correlation import CorrelationPolicy
from domain.detection.service_graph import Edge, ServiceGraph
from resources.alerts.rows import as_json
from resources.lake.connection import Lake

_REFRESHED_EVERY = timedelta(minutes=5)
_KEPT = timedelta(days=14)
_FROM_LABELS = """
WITH named AS (
    SELECT DISTINCT (labels->>'caller') AS caller, (labels->>'callee') AS callee, (labels->>'service') AS service,
        (labels->>'pod') AS pod, (labels->>'node') AS node, (labels->>'instance') AS instance
    FROM series
)
SELECT 'service:' || coalesce(caller, service) AS caller, 'service:' || callee AS callee, 'calls' AS kind
FROM named WHERE callee IS NOT NULL AND coalesce(caller, service) IS NOT NULL
UNION SELECT 'pod:' || pod, 'service:' || service, 'member-of' FROM named WHERE pod IS NOT NULL AND service IS NOT NULL
UNION SELECT 'instance:' || instance, 'service:' || service, 'member-of' FROM named
WHERE instance IS NOT NULL AND service IS NOT NULL
UNION SELECT 'service:' || service, 'node:' || node, 'runs-on' FROM named WHERE service IS NOT NULL AND node IS NOT NULL
"""


def refresh_graph(connection: Connection, lake: Lake, *, now: datetime) -> int:
    """Read the graph out of the series' labels if the last time is more than five minutes ago; the edges that were read."""
    newest = connection.execute(text("SELECT max(seen_at) FROM service_edges")).scalar_one()
    if newest is not None and now - newest < _REFRESHED_EVERY:
        return 0
    rows = lake.query(_FROM_LABELS).to_dicts()
    connection.execute(
        text(
            "INSERT INTO service_edges (caller, callee, kind, seen_at) SELECT caller, callee, kind, :now"
            " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (caller text, callee text, kind text)"
            " ON CONFLICT (caller, callee, kind) DO UPDATE SET seen_at = excluded.seen_at"
        ),
        {"rows": as_json(rows), "now": now},
    )
    connection.execute(text("DELETE FROM service_edges WHERE seen_at < :oldest"), {"oldest": now - _KEPT})
    return len(rows)


def read_graph(connection: Connection, policy: CorrelationPolicy) -> ServiceGraph:
    """The graph as it is known, with what configuration adds."""
    rows = connection.execute(text("SELECT caller, callee, kind FROM service_edges"))
    return ServiceGraph(
        [Edge(row.caller, row.callee, row.kind) for row in rows],
        [(one.place, one.needs) for one in policy.dependencies],
    )
