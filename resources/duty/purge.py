"""What of records is thrown away after ETLMON_RETENTION_MESSAGE_DAYS: what was sent, what others sent us, why alerts were told.

Incidents, their timelines, alerts, audit and dead letters stay.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, text

from resources.postgres.engine import transaction

#: Rows of one transaction. A message whose fallback is still there goes after it.
_BATCH = 20_000
_OLD = {
    "inbound_deliveries": "DELETE FROM inbound_deliveries WHERE ctid IN (SELECT ctid FROM inbound_deliveries"
    " WHERE received_at < :until LIMIT :batch)",
    "outbox": "DELETE FROM outbox WHERE message_id IN (SELECT message_id FROM outbox AS o WHERE created_at < :until"
    " AND state IN ('SENT', 'DELIVERED', 'CANCELLED', 'SUMMARISED')"
    " AND NOT EXISTS (SELECT 1 FROM outbox AS f WHERE f.fallback_of = o.message_id)"
    " AND NOT EXISTS (SELECT 1 FROM incidents AS i WHERE i.incident_id = o.incident_id AND i.state <> 'CLOSED')"
    " ORDER BY message_id LIMIT :batch)",
    "alert_decisions": "DELETE FROM alert_decisions WHERE decision_id IN (SELECT d.decision_id FROM alert_decisions AS d"
    " JOIN alerts AS a USING (alert_id) WHERE d.at < :until AND a.status = 'RESOLVED' ORDER BY d.decision_id LIMIT :batch)",
}


def purge_messages(engine: Engine, *, until: datetime) -> dict[str, int]:
    """Delete what is older than `until`, table → rows; in batches, so that a kill loses one of them and nobody waits long."""
    gone: dict[str, int] = {}
    for table, sql in _OLD.items():
        gone[table] = 0
        while True:
            with transaction(engine) as connection:
                count = connection.execute(text(sql), {"until": until, "batch": _BATCH}).rowcount
            gone[table] += count
            if count == 0:
                break
    return gone
