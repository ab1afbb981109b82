"""Alembic's entry: runs on a connection that `resources.postgres.migrate` hands in. Never called from the shell."""

from alembic import context

from resources.postgres.url import RECORDS_SCHEMA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, version_table_schema=RECORDS_SCHEMA)
with context.begin_transaction():
    context.run_migrations()
