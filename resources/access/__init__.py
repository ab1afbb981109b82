"""Users, sessions, tokens, keys, field policies, limits and the audit in PostgreSQL. Rules are in `domain.access`."""
