"""Alerts, noise control, incidents with timeline and SLA clocks, escalation, on-call, the outbox, tickets (D6-D8, E1-E5, H1-H7)."""

from alembic import op

revision = "0004"
down_revision = "0003"

UPGRADE = """
-- detection --------------------------------------------------------------------------------------------------------------
-- conditions that are pending or firing; everything else has no row
CREATE TABLE rule_states (
    rule_id         text NOT NULL,
    fingerprint     text NOT NULL,
    state           text NOT NULL CHECK (state IN ('PENDING', 'FIRING')),
    since           timestamptz NOT NULL,                  -- first bad sample: the onset
    fired_at        timestamptz,
    recovering_since timestamptz,
    labels          jsonb NOT NULL,
    last_value      double precision,
    PRIMARY KEY (rule_id, fingerprint)
);
CREATE TABLE detection_marks (
    name            text PRIMARY KEY,
    evaluated_until timestamptz NOT NULL,
    detail          jsonb NOT NULL DEFAULT '{}'
);
-- the rules in force: the last good version of every file; a broken file leaves its row and says so
CREATE TABLE detection_rules (
    rule_id         text PRIMARY KEY,
    definition      jsonb NOT NULL,
    content_hash    text NOT NULL,
    file            text NOT NULL,
    loaded_at       timestamptz NOT NULL,
    broken_reason   text,
    broken_since    timestamptz
);

CREATE TABLE alerts (
    alert_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint     text NOT NULL,
    source          text NOT NULL CHECK (source IN ('rule', 'alertmanager', 'dagster', 'platform')),
    rule_id         text NOT NULL,
    title           text NOT NULL,
    summary         text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('CRITICAL', 'HIGH', 'MEDIUM', 'LOW')),
    category        text NOT NULL,
    status          text NOT NULL CHECK (status IN ('FIRING', 'RESOLVED')),
    labels          jsonb NOT NULL,
    annotations     jsonb NOT NULL DEFAULT '{}',
    value           double precision,
    threshold       double precision,
    series_id       bigint,
    onset_at        timestamptz NOT NULL,                  -- first bad sample
    fired_at        timestamptz NOT NULL,                  -- the condition had lasted long enough
    detected_at     timestamptz NOT NULL,                  -- this row was written
    last_seen_at    timestamptz NOT NULL,
    resolved_at     timestamptz,
    occurrences     integer NOT NULL DEFAULT 1,
    incident_id     bigint,
    suppressed_by   text,                                  -- "silence:7", "maintenance:3", "inhibited:12", "flapping", "allow-list"
    is_flapping     boolean NOT NULL DEFAULT false,
    is_drill        boolean NOT NULL DEFAULT false,
    verdict         text CHECK (verdict IN ('TRUE_POSITIVE', 'FALSE_POSITIVE')),
    verdict_by      text,
    verdict_at      timestamptz
);
CREATE UNIQUE INDEX alerts_one_firing ON alerts (fingerprint) WHERE status = 'FIRING';
CREATE INDEX alerts_by_incident ON alerts (incident_id);
CREATE INDEX alerts_by_fingerprint ON alerts (fingerprint, last_seen_at);
CREATE INDEX alerts_by_rule ON alerts (rule_id, fired_at);
CREATE INDEX alerts_held_back ON alerts (alert_id) WHERE status = 'FIRING' AND incident_id IS NULL;
CREATE INDEX alerts_suppressed ON alerts (alert_id) WHERE status = 'FIRING' AND suppressed_by IS NOT NULL;

-- what was decided about an alert and why: `etlmon why`
CREATE TABLE alert_decisions (
    decision_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id        bigint NOT NULL REFERENCES alerts (alert_id) ON DELETE CASCADE,
    at              timestamptz NOT NULL,
    kind            text NOT NULL,
    reason          text NOT NULL,
    detail          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alert_decisions_by_alert ON alert_decisions (alert_id, decision_id);

CREATE TABLE flapping (
    fingerprint     text PRIMARY KEY,
    changes         jsonb NOT NULL,                        -- instants of the newest state changes
    is_flapping     boolean NOT NULL,
    since           timestamptz,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE silences (
    silence_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    matchers        jsonb NOT NULL,                        -- [{"label": "service", "op": "=~", "value": "load.*"}]
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL CHECK (ends_at > starts_at),
    reason          text NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    ended_by        text
);
CREATE TABLE maintenance_windows (
    window_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title           text NOT NULL,
    matchers        jsonb NOT NULL,
    starts_at       timestamptz,                           -- one-off: from, to
    ends_at         timestamptz,
    cron            text,                                  -- recurring: when it begins, in its time zone, and for how long
    duration_s      integer,
    time_zone       text NOT NULL DEFAULT 'UTC',
    reason          text NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    ended_by        text,
    CHECK ((starts_at IS NOT NULL AND ends_at > starts_at AND cron IS NULL) OR (cron IS NOT NULL AND duration_s > 0))
);
CREATE TABLE noisy_metrics (                               -- the allow-list: what may be noisy without telling anybody
    rule_id         text NOT NULL,                         -- '*' for all
    matchers        jsonb NOT NULL,
    reason          text NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (rule_id, matchers)
);

-- who calls whom and what belongs to whom, as the labels of captured series say: correlation reads it in its transaction
CREATE TABLE service_edges (
    caller          text NOT NULL,                         -- "service:gateway"
    callee          text NOT NULL,
    kind            text NOT NULL,                         -- calls, member-of (pod, instance), runs-on (node)
    seen_at         timestamptz NOT NULL,
    PRIMARY KEY (caller, callee, kind)
);

-- incidents --------------------------------------------------------------------------------------------------------------
CREATE TABLE incidents (
    incident_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title           text NOT NULL,
    summary         text NOT NULL DEFAULT '',
    severity        text NOT NULL CHECK (severity IN ('CRITICAL', 'HIGH', 'MEDIUM', 'LOW')),
    category        text NOT NULL,
    service         text NOT NULL DEFAULT '',
    state           text NOT NULL CHECK (state IN ('OPEN', 'ACKNOWLEDGED', 'INVESTIGATING', 'REMEDIATING', 'MONITORING', 'RESOLVED',
                                                   'CLOSED')),
    is_drill        boolean NOT NULL DEFAULT false,
    labels          jsonb NOT NULL DEFAULT '{}',
    root_alert_id   bigint,
    onset_at        timestamptz NOT NULL,                  -- evidence of the fault: the earliest bad sample of its alerts
    opened_at       timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    mitigated_at    timestamptz,
    resolved_at     timestamptz,
    closed_at       timestamptz,
    reopened_count  integer NOT NULL DEFAULT 0,
    last_reopened_at timestamptz,
    snoozed_until   timestamptz,
    assignee        text,
    merged_into     bigint REFERENCES incidents (incident_id),
    last_alert_at   timestamptz NOT NULL,
    revision        integer NOT NULL DEFAULT 1
);
CREATE INDEX incidents_open ON incidents (opened_at) WHERE state NOT IN ('RESOLVED', 'CLOSED');
CREATE INDEX incidents_by_state ON incidents (state, opened_at DESC);
CREATE INDEX incidents_by_opening ON incidents (opened_at);
CREATE INDEX incidents_merged ON incidents (merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE alerts ADD FOREIGN KEY (incident_id) REFERENCES incidents (incident_id);

CREATE TABLE incident_events (
    event_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id     bigint NOT NULL REFERENCES incidents (incident_id),
    at              timestamptz NOT NULL,
    actor           text NOT NULL,
    kind            text NOT NULL,                         -- opened, alert-joined, acknowledged, state-changed, comment, paged, ...
    cause           text NOT NULL DEFAULT '',              -- via what: api, page, ivr, sms, slack, jira, rule ...
    from_state      text,
    to_state        text,
    detail          jsonb NOT NULL DEFAULT '{}',
    correlation_id  text NOT NULL DEFAULT ''
);
CREATE INDEX incident_events_by_incident ON incident_events (incident_id, event_id);
CREATE TRIGGER incident_events_append_only BEFORE UPDATE OR DELETE ON incident_events FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE sla_clocks (
    incident_id     bigint NOT NULL REFERENCES incidents (incident_id),
    measure         text NOT NULL CHECK (measure IN ('acknowledge', 'mitigate', 'resolve')),
    target_s        integer NOT NULL,
    started_at      timestamptz NOT NULL,
    running_since   timestamptz,                           -- null while paused or stopped
    elapsed_s       double precision NOT NULL DEFAULT 0,   -- of the stretches before `running_since`
    due_at          timestamptz,                           -- breach if it runs on; null while paused or stopped
    warn_at         timestamptz,
    warned_at       timestamptz,
    breached_at     timestamptz,
    stopped_at      timestamptz,
    PRIMARY KEY (incident_id, measure)
);
CREATE INDEX sla_clocks_due ON sla_clocks (warn_at) WHERE due_at IS NOT NULL AND breached_at IS NULL;

-- notification -----------------------------------------------------------------------------------------------------------
CREATE TABLE escalations (
    incident_id     bigint PRIMARY KEY REFERENCES incidents (incident_id),
    policy          text NOT NULL,
    step            integer NOT NULL,                      -- the step that is due next, from 0
    round           integer NOT NULL DEFAULT 0,
    due_at          timestamptz,                           -- null: stopped
    stopped_reason  text,
    severity        text NOT NULL,                         -- that the present timer and messages were planned for
    episode         integer NOT NULL DEFAULT 1,            -- counted on by reopening: its messages have keys of their own
    updated_at      timestamptz NOT NULL
);
CREATE INDEX escalations_due ON escalations (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE outbox (
    message_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text NOT NULL UNIQUE,                  -- "incident:12:opened:sms:ann"
    incident_id     bigint REFERENCES incidents (incident_id),
    kind            text NOT NULL,                         -- domain.notification.message.MessageKind
    channel         text NOT NULL,                         -- voice, sms, email, slack, pagerduty, opsgenie, webhook, jira
    recipient       text NOT NULL,                         -- person or team; the address is looked up when it is sent
    severity        text NOT NULL,
    is_drill        boolean NOT NULL DEFAULT false,
    payload         jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'SENT', 'DELIVERED', 'DEAD', 'CANCELLED', 'SUMMARISED')),
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz,
    locked_until    timestamptz,                           -- a sender holds it; after that instant another may try
    is_possibly_sent boolean NOT NULL DEFAULT false,       -- an attempt began whose outcome is not known
    provider_id     text,
    last_error      text,
    fallback_of     bigint REFERENCES outbox (message_id),
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    correlation_id  text NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'PENDING';
CREATE INDEX outbox_by_incident ON outbox (incident_id, message_id);
CREATE INDEX outbox_dead ON outbox (message_id) WHERE state = 'DEAD';

CREATE INDEX outbox_recent ON outbox (channel, recipient, sent_at) WHERE sent_at IS NOT NULL;
CREATE TABLE channel_rates (                               -- token buckets: what each channel may still send this minute
    channel         text PRIMARY KEY,
    tokens          double precision NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE on_call_overrides (
    override_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule        text NOT NULL,
    person          text NOT NULL,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL CHECK (ends_at > starts_at),
    reason          text NOT NULL DEFAULT '',
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL
);

-- deliveries of others to us, each handled once
CREATE TABLE inbound_deliveries (
    source          text NOT NULL,                         -- twilio, slack, jira, alertmanager, ack-link
    delivery_id     text NOT NULL,
    received_at     timestamptz NOT NULL,
    outcome         text NOT NULL,
    PRIMARY KEY (source, delivery_id)
);

-- exercises: a fault made on purpose; what follows from it is marked and counts in no figure. One at a time.
CREATE TABLE drills (
    drill_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scenario        text NOT NULL,
    title           text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('INJECTED', 'SYNTHETIC')),
    state           text NOT NULL CHECK (state IN ('STARTING', 'RUNNING', 'ENDING', 'OVER')),
    outcome         text CHECK (outcome IN ('COMPLETED', 'ABORTED', 'FAILED')),
    facts           jsonb NOT NULL,                        -- the scenario as it was when the drill began
    is_escalating   boolean NOT NULL,                      -- whether the third line and the manager may be told too
    started_by      text NOT NULL,
    started_at      timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL CHECK (ends_at > started_at),
    ended_at        timestamptz,
    stopped_by      text,
    over_at         timestamptz,
    problem         text,
    report          jsonb
);
CREATE UNIQUE INDEX drills_one_at_a_time ON drills ((true)) WHERE state <> 'OVER';

CREATE TABLE tickets (
    incident_id     bigint PRIMARY KEY REFERENCES incidents (incident_id),
    ticket_key      text UNIQUE,                           -- null until the desk has answered
    ticket_id       text,                                  -- stays the same when the ticket moves to another project
    status          text,
    last_seen_hash  text,                                  -- of the ticket's state as we last read or wrote it: loops end here
    synced_at       timestamptz,
    last_error      text,
    due_at          timestamptz,                           -- something is to be done there; null: nothing
    locked_until    timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    changes         integer NOT NULL DEFAULT 1,            -- counted on by every cause: what came while a worker was at it is not lost
    is_possibly_created boolean NOT NULL DEFAULT false,    -- an attempt began whose outcome is not known
    is_gone         boolean NOT NULL DEFAULT false,        -- deleted over there
    wanted_priority text,                                  -- somebody escalated: not below this
    priority        text,                                  -- as we last wrote it
    pushed_state    text,                                  -- of the incident, as we last carried it over
    told_event_id   bigint NOT NULL DEFAULT 0,             -- timeline entries up to here are comments there
    seen_changes    integer NOT NULL DEFAULT 0,            -- entries of the ticket's own history that are carried over
    seen_comment_id bigint NOT NULL DEFAULT 0
);
CREATE INDEX tickets_due ON tickets (due_at) WHERE due_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UPGRADE)
