"""Who may do what: users, sessions, tokens, keys, field policies, limits, breakers, audit; version edits and imports (A1-A14)."""

from alembic import op

revision = "0003"
down_revision = "0002"

UPGRADE = """
-- A1-A3 ------------------------------------------------------------------------------------------------------------------
CREATE TABLE users (
    username        text PRIMARY KEY CHECK (username ~ '^[a-z][a-z0-9._@-]{1,63}$'),
    role            text NOT NULL CHECK (role IN ('ADMIN', 'OPERATOR', 'VIEWER')),
    password_hash   text,                                  -- argon2id; null: logs in by OIDC only
    oidc_subject    text UNIQUE,                           -- "issuer|subject"
    is_active       boolean NOT NULL DEFAULT true,
    has_to_change_password boolean NOT NULL DEFAULT false,
    failed_attempts integer NOT NULL DEFAULT 0,
    locked_until    timestamptz,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    last_login_at   timestamptz,
    revision        integer NOT NULL DEFAULT 1
);

-- one row per login; an access token names its session, so that logout ends it at once in every process
CREATE TABLE sessions (
    session_id      text PRIMARY KEY,
    username        text NOT NULL REFERENCES users (username) ON DELETE CASCADE,
    refresh_hash    bytea NOT NULL,                        -- SHA-256 of the refresh token in force; each is used once
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    revoked_reason  text,
    ip              text NOT NULL,
    user_agent      text NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (username);
CREATE INDEX sessions_by_refresh ON sessions (refresh_hash);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- refresh tokens already used: one seen again was stolen from somebody, its session ends
CREATE TABLE spent_refresh_tokens (
    refresh_hash    bytea PRIMARY KEY,
    session_id      text NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE
);
CREATE INDEX spent_refresh_tokens_by_session ON spent_refresh_tokens (session_id);

CREATE TABLE login_audit (
    sequence        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL,
    username        text NOT NULL,                         -- as given, cut to 128 characters
    ip              text NOT NULL,
    user_agent      text NOT NULL,
    method          text NOT NULL CHECK (method IN ('password', 'oidc', 'refresh', 'api-token', 'logout')),
    outcome         text NOT NULL,
    correlation_id  text NOT NULL
);
CREATE INDEX login_audit_at ON login_audit (at);
CREATE INDEX login_audit_failures_by_ip ON login_audit (ip, at) WHERE outcome <> 'success';

CREATE TABLE api_tokens (
    token_id        text PRIMARY KEY,
    name            text NOT NULL,
    secret_hash     bytea NOT NULL,
    role            text NOT NULL CHECK (role IN ('ADMIN', 'OPERATOR', 'VIEWER')),
    scopes          text[] NOT NULL,                       -- "resource:action", a subset of what the role may
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    last_used_at    timestamptz
);

-- keys that sign access tokens; encrypted under the encryption key
CREATE TABLE signing_keys (
    key_id          text PRIMARY KEY,
    secret          bytea NOT NULL,
    created_at      timestamptz NOT NULL,
    retired_at      timestamptz                            -- signs no more; verifies until its last token has expired
);
CREATE UNIQUE INDEX signing_keys_one_in_use ON signing_keys ((true)) WHERE retired_at IS NULL;

-- A4 ---------------------------------------------------------------------------------------------------------------------
CREATE TABLE field_policies (
    resource        text NOT NULL,
    field           text NOT NULL,                         -- dotted path; `*` stands for one step
    role            text NOT NULL CHECK (role IN ('ADMIN', 'OPERATOR', 'VIEWER')),
    effect          text NOT NULL CHECK (effect IN ('HIDDEN', 'MASKED', 'VISIBLE')),
    updated_by      text NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (resource, field, role)
);
INSERT INTO field_policies (resource, field, role, effect, updated_by, updated_at)
SELECT 'loaders', field, role, CASE WHEN role = 'VIEWER' THEN viewer ELSE other END, 'release', now()
FROM (VALUES ('connection.password', 'HIDDEN', 'MASKED'), ('connection.headers.*', 'HIDDEN', 'MASKED'),
             ('connection.username', 'MASKED', 'VISIBLE'), ('connection.url', 'MASKED', 'VISIBLE')) AS shipped (field, viewer, other),
     (VALUES ('ADMIN'), ('OPERATOR'), ('VIEWER')) AS roles (role);

-- A6 ---------------------------------------------------------------------------------------------------------------------
ALTER TABLE loader_versions
    ADD COLUMN revision        integer NOT NULL DEFAULT 1, -- counts every change of the row: the ETag
    ADD COLUMN authors         text[] NOT NULL DEFAULT '{}', -- everybody who wrote this content; none of them approves it
    ADD COLUMN submitted_hash  text,                       -- the content that was submitted; approval is bound to it
    ADD COLUMN decision        text CHECK (decision IN ('APPROVED', 'REJECTED', 'WITHDRAWN', 'DISCARDED')),
    ADD COLUMN based_on        integer,
    ADD COLUMN updated_at      timestamptz NOT NULL DEFAULT now();
UPDATE loader_versions SET authors = ARRAY[created_by], submitted_hash = content_hash, updated_at = coalesce(activated_at, created_at),
    decision = CASE WHEN activated_at IS NOT NULL THEN 'APPROVED' END;
CREATE INDEX loader_versions_by_state ON loader_versions (state, code);

-- what lists show of a loader, kept by the database itself whoever writes a version: a page of 5,000 loaders reads one narrow table
ALTER TABLE loaders
    ADD COLUMN title text NOT NULL DEFAULT '', ADD COLUMN owner text NOT NULL DEFAULT '', ADD COLUMN source text NOT NULL DEFAULT '',
    ADD COLUMN schedule text NOT NULL DEFAULT '', ADD COLUMN state text NOT NULL DEFAULT 'ARCHIVED',
    ADD COLUMN shown_version integer, ADD COLUMN active_version integer, ADD COLUMN draft_version integer,
    ADD COLUMN pending_versions integer[] NOT NULL DEFAULT '{}', ADD COLUMN newest_version integer NOT NULL DEFAULT 0,
    ADD COLUMN versions integer NOT NULL DEFAULT 0, ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- shown is the ACTIVE version, else the newest that waits, else the newest
CREATE FUNCTION summarise_loaders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE loaders SET
        title = shown.definition ->> 'title', owner = shown.definition ->> 'owner', source = shown.definition ->> 'source',
        schedule = shown.definition ->> 'schedule', state = shown.state, shown_version = shown.version,
        active_version = known.active_version, draft_version = known.draft_version,
        pending_versions = coalesce(known.pending_versions, '{}'), newest_version = known.newest_version,
        versions = known.versions, updated_at = known.updated_at
    FROM (SELECT code, max(version) FILTER (WHERE state = 'ACTIVE') AS active_version,
                 max(version) FILTER (WHERE state = 'DRAFT') AS draft_version,
                 array_agg(version ORDER BY version) FILTER (WHERE state = 'PENDING') AS pending_versions,
                 max(version) AS newest_version, count(*) AS versions, max(updated_at) AS updated_at,
                 coalesce(max(version) FILTER (WHERE state = 'ACTIVE'), max(version) FILTER (WHERE state <> 'ARCHIVED'),
                          max(version)) AS shown_version
          FROM loader_versions WHERE code IN (SELECT code FROM changed) GROUP BY code) AS known
    JOIN loader_versions AS shown ON shown.code = known.code AND shown.version = known.shown_version
    WHERE loaders.code = known.code;
    RETURN NULL;
END $$;
CREATE TRIGGER loader_versions_inserted AFTER INSERT ON loader_versions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION summarise_loaders();
CREATE TRIGGER loader_versions_updated AFTER UPDATE ON loader_versions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION summarise_loaders();
UPDATE loader_versions SET revision = revision;

-- A8 ---------------------------------------------------------------------------------------------------------------------
CREATE TABLE workbook_imports (
    import_id       text PRIMARY KEY,
    file_hash       text NOT NULL,
    file_name       text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('atomic', 'per-row')),
    target          text NOT NULL CHECK (target IN ('DRAFT', 'PENDING')),
    imported_by     text NOT NULL,
    imported_at     timestamptz NOT NULL,
    result          jsonb NOT NULL,
    UNIQUE (file_hash, mode, target)
);

-- A9: every entry carries the MAC of the one before ----------------------------------------------------------------------
CREATE TABLE audit_entries (
    sequence        bigint PRIMARY KEY,                    -- without gaps
    at              timestamptz NOT NULL,
    actor           text NOT NULL,
    action          text NOT NULL,                         -- "loader.approve"
    resource        text NOT NULL,
    resource_id     text NOT NULL,
    before          json,                                  -- json keeps the text: the MAC covers it
    after           json,
    correlation_id  text NOT NULL,
    previous_mac    bytea NOT NULL,
    mac             bytea NOT NULL
);
CREATE INDEX audit_entries_at ON audit_entries (at);
CREATE INDEX audit_entries_by_resource ON audit_entries (resource, resource_id, sequence);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor, sequence);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A13 --------------------------------------------------------------------------------------------------------------------
CREATE TABLE rate_limits (
    scope           text NOT NULL CHECK (scope IN ('role', 'route', 'user')),
    name            text NOT NULL,                         -- a role, a route ("POST /api/v1/signals") or a user
    per_minute      integer NOT NULL CHECK (per_minute BETWEEN 1 AND 1000000),
    updated_by      text NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (scope, name)
);
INSERT INTO rate_limits VALUES ('route', 'POST /api/v1/signals', 60000, 'release', now()),
    ('route', 'POST /api/v1/auth/login', 30, 'release', now());

-- A14 --------------------------------------------------------------------------------------------------------------------
CREATE TABLE circuit_breakers (
    name            text PRIMARY KEY,                      -- "prometheus http://host:9090"
    state           text NOT NULL CHECK (state IN ('CLOSED', 'OPEN', 'HALF_OPEN')),
    calls           jsonb NOT NULL DEFAULT '[]',           -- the newest outcomes: ok, failed, slow
    opened_at       timestamptz,
    half_open_permits integer NOT NULL DEFAULT 0,
    times_opened    bigint NOT NULL DEFAULT 0,
    last_error      text,
    reset_by        text,
    updated_at      timestamptz NOT NULL
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)
