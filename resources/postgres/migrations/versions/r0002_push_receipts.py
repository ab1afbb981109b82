"""Moved batches keep their row, without payload, for a day: the Idempotency-Key of a late retry is still known (A17)."""

from alembic import op

revision = "0002"
down_revision = "0001"

UPGRADE = """
ALTER TABLE push_batches ALTER COLUMN payload DROP NOT NULL;
ALTER TABLE push_batches ADD COLUMN moved_at timestamptz;
ALTER TABLE push_batches ADD COLUMN archived_at timestamptz;
CREATE INDEX push_batches_waiting ON push_batches (loader_code, sequence) WHERE moved_at IS NULL;
CREATE INDEX push_batches_moved ON push_batches (moved_at) WHERE moved_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UPGRADE)
