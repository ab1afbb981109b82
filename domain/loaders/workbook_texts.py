"""What the columns of a loaders workbook mean, with an example each: shown as notes on the headers. Words only, no logic.

A description written on the field itself counts before the text here; a test sees to it that every column has one.
"""

from __future__ import annotations

#: header → meaning; what the pydantic field does not say itself.
MEANINGS: dict[str, str] = {
    "code": "The loader's code: capitals, digits and hyphens. On the sheet Queries it names the loader of the query.",
    "title": "Short name, as lists and charts show it.",
    "description": "What it captures and why.",
    "owner": "Team that answers for the loader.",
    "source": "Where the statistics come from.",
    "connection.url": "Address of the source. Leave all of connection.* empty when `connection` names one.",
    "connection.username": "User name at the source.",
    "connection.password": "Password at the source. ******** leaves the stored one unchanged.",
    "connection.verify_tls": "Whether the certificate of the source is checked.",
    "connection.ca_file": "File of the certificate authority on the platform's machine.",
    "connection.headers": "HTTP headers sent with each request, a JSON object.",
    "timeout_s": "How long a request to the source may take.",
    "max_series": "More series than this in one capture are refused.",
    "max_label_bytes": "Labels longer than this are set aside.",
    "query_kind": "Which kind of query the row is; it decides which columns count.",
    "metric_name": "Name of the metric: small letters, digits and underscores.",
    "unit": "Unit of the value, as charts show it.",
    "kind": "How the metric behaves.",
    "limit.value": "Level the gauge must not reach. Leave all of limit.* empty when there is none.",
    "limit.warn_at_pct": "Warn at this share of the limit.",
    "limit.lead_time_days": "Warn this long before the limit is reached.",
    "promql": "Any PromQL.",
    "index": "Index or index pattern.",
    "query": "Query DSL, a JSON object.",
    "aggregations": "Aggregations, a JSON object; buckets become labels named after their aggregation.",
    "value": "Metric aggregation that becomes the value; `latency.99.0` picks a key.",
    "scale": "The value is multiplied by this.",
    "timestamp_field": "Field of a document's instant.",
    "service_field": "Field of the service's name.",
    "level_field": "Field of the log level.",
    "message_field": "Field of the message.",
    "correlation_field": "Field of the correlation id.",
    "sql": "Any SELECT; :window_start and :window_end limit it to the range.",
    "value_column": "Column of the number; other columns become labels.",
    "time_column": "Column of the instant; empty: each row is stamped with the start of its window.",
    "dialect_time": "How instants are bound and read: aware timestamps, naive UTC timestamps or epoch seconds.",
}

#: header → example.
EXAMPLES: dict[str, str] = {
    "code": "ORDERS-DB",
    "title": "Connection pools of the order database",
    "description": "Pools against their size, waiting requests",
    "owner": "data-platform",
    "source": "prometheus",
    "connection": "prometheus",
    "connection.url": "https://prometheus.example.org:9090",
    "connection.username": "etlmon",
    "connection.password": "********",
    "connection.verify_tls": "TRUE",
    "connection.ca_file": "/etc/ssl/certs/company.pem",
    "connection.headers": '{"X-Scope-OrgID": "team-a"}',
    "schedule": "*/5 * * * *",
    "query_kind": "prometheus",
    "metric_name": "db_pool_pct",
    "unit": "%",
    "kind": "gauge",
    "labels": "service, instance",
    "limit.value": "100",
    "promql": "max by (service) (db_pool_active / db_pool_max * 100)",
    "index": "logs-*",
    "query": '{"term": {"event": "finished"}}',
    "aggregations": '{"service": {"terms": {"field": "service.name"}}}',
    "value": "latency.99.0",
    "sql": "SELECT started_at, service, rows AS value FROM runs WHERE started_at >= :window_start AND started_at < :window_end",
    "time_column": "started_at",
}

#: Last part of a field's name → unit.
UNITS: dict[str, str] = {"s": "seconds", "pct": "percent", "days": "days", "bytes": "bytes", "ms": "milliseconds"}

#: The sheet Guide, line by line.
GUIDE: tuple[str, ...] = (
    "One row per loader on the sheet Loaders, one row per query on the sheet Queries; `code` ties them together.",
    "Every column has a note: meaning, unit, default, example. Columns may be moved, not removed, renamed or added.",
    "An empty cell means the default named in the note; where there is no default, unset.",
    "******** stands for a protected value: left alone it keeps the stored one, overwritten it sets another, cleared it unsets it.",
    "(hidden) stands for a value that the role of the exporter does not see; it stays as it is.",
    "Text counts as it stands in the cell, blanks and quotes included. Around codes, choices, numbers and yes/no blanks do not count.",
    'An empty text, or one that begins with json:, is written as a JSON string behind json: — for example json:"".',
    "Lists of labels: names with commas between them, or a JSON array. JSON columns hold one JSON object.",
    "Yes and no: TRUE, FALSE, yes, no, 1, 0. Schedules are cron lines of five fields, UTC.",
    "Formulas, merged cells, hidden rows or columns with content, macros and links to other workbooks are refused.",
    "A code that is not known yet makes a new loader. A loader whose rows say what is stored already is left alone.",
    "Queries of a loader are replaced as a whole, in the order of their rows.",
    "First try the import as a dry run: it lists every error with sheet, row and column and changes nothing.",
)
