"""Incidents in PostgreSQL: opening, acting, the timeline, SLA clocks. Rules are in `domain.incidents`."""
