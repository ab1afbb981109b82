"""What the editor begins with for each kind of source: a definition that is nearly ready, to be read and changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A kind of source, what it is for, and a first text."""

    title: str
    meaning: str
    text: str


def _text(source: str, query: str, *, connection: str) -> str:
    return (
        f"code: MY-LOADER\ntitle: What it measures\nowner: data-platform\nsource: {source}\nconnection: {connection}\n"
        f'schedule: "*/5 * * * *"\nstep_s: 300\n{query}'
    )


SKELETONS = {
    "prometheus": Skeleton(
        "Prometheus",
        "any PromQL, evaluated at every step",
        _text(
            "prometheus",
            "prometheus:\n  - metric_name: error_rate\n    title: Errors per second\n    unit: 1/s\n    kind: rate\n"
            '    labels: [service]\n    promql: sum by (service) (rate(http_requests_total{code=~"5.."}[5m]))\n',
            connection="prometheus",
        ),
    ),
    "elasticsearch": Skeleton(
        "Elasticsearch",
        "any query with any aggregations; buckets become labels",
        _text(
            "elasticsearch",
            "elasticsearch:\n  - metric_name: error_count\n    title: Errors in the log\n    index: logs-*\n"
            "    query:\n      term: {log.level: ERROR}\n    aggregations:\n      service:\n"
            "        terms: {field: service.name, size: 100}\n",
            connection="elasticsearch",
        ),
    ),
    "sql": Skeleton(
        "SQL",
        "any SELECT; the window is bound as :window_start and :window_end",
        _text(
            "sql",
            "sql:\n  - metric_name: orders_total\n    title: Orders\n    time_column: at\n    value_column: value\n    sql: |\n"
            "      SELECT date_trunc('minute', created_at) AS at, count(*) AS value\n      FROM orders\n"
            "      WHERE created_at >= :window_start AND created_at < :window_end\n      GROUP BY 1\n",
            connection="\n  url: postgresql://host/database\n  username: reader\n  password: type-it-here",
        ),
    ),
    "push": Skeleton(
        "Push",
        "clients send signals to /api/v1/signals",
        _text(
            "push",
            "push:\n  - metric_name: rows_loaded\n    title: Rows loaded\n    labels: [table]\n",
            connection="push",
        ),
    ),
}
