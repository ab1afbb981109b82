"""Loaders with their versions, and the push inbox with its funnel counters."""

from alembic import op

revision = "0001"
down_revision = None

UPGRADE = """
CREATE TABLE loaders (
    code        text PRIMARY KEY,
    created_at  timestamptz NOT NULL
);

CREATE TABLE loader_versions (
    code          text NOT NULL REFERENCES loaders (code),
    version       integer NOT NULL CHECK (version > 0),
    state         text NOT NULL CHECK (state IN ('DRAFT', 'PENDING', 'ACTIVE', 'ARCHIVED')),
    definition    jsonb NOT NULL,
    content_hash  text NOT NULL,
    secret        bytea,
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL,
    submitted_by  text,
    submitted_at  timestamptz,
    decided_by    text,
    decided_at    timestamptz,
    decision_reason text,
    activated_at  timestamptz,
    archived_at   timestamptz,
    PRIMARY KEY (code, version)
);
-- A6: at most one ACTIVE and one DRAFT per loader code, held by the database under any concurrency
CREATE UNIQUE INDEX loader_versions_one_active ON loader_versions (code) WHERE state = 'ACTIVE';
CREATE UNIQUE INDEX loader_versions_one_draft ON loader_versions (code) WHERE state = 'DRAFT';

-- A17: a batch is accepted when its row is committed; capture moves it into the lake and then deletes it
CREATE TABLE push_batches (
    sequence     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    loader_code  text NOT NULL,
    batch_id     text NOT NULL,
    received_at  timestamptz NOT NULL,
    signals      integer NOT NULL,
    payload      bytea NOT NULL,
    UNIQUE (loader_code, batch_id)
);
ALTER TABLE push_batches ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE push_funnel (
    minute       timestamptz NOT NULL,
    loader_code  text NOT NULL,
    received     bigint NOT NULL DEFAULT 0,
    validated    bigint NOT NULL DEFAULT 0,
    persisted    bigint NOT NULL DEFAULT 0,
    archived     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, loader_code)
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)
