"""Loader versions in PostgreSQL: rows and secrets, the lifecycle carried out, lists, seeding, impact. Rules: `domain.loaders`."""
