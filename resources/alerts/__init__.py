"""Alerts in PostgreSQL: taking events in, holding them back, giving them to incidents, explaining. Rules: `domain.detection`."""
