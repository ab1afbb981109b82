"""Messages on PostgreSQL: the outbox, its delivery, escalation timers, on-call overrides, and the auditor of all of it."""
