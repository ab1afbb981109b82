"""The definition of one loader: source, queries, schedule, limits, connection. Data, never code.

A definition is what a version holds (A6). It is parsed from `rules/loaders/*.yaml` or from a database row into this
frozen model, which forbids unknown fields.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import orjson
from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from domain.loaders.connection_url import split_userinfo
from domain.vocabulary import MetricKind, SourceKind

Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{1,63}$")]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,127}$")]


_WORD = re.compile(r"[a-z]+")
_CRON_NAMES = {
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
}
_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _fires_every_year(schedule: str) -> bool:
    """False for days such as 30 February; a restricted weekday always comes round."""
    _, _, days, months, weekdays = croniter.expand(schedule)[0]
    if days == ["*"] or weekdays != ["*"]:
        return True
    in_months = range(1, 13) if months == ["*"] else [int(month) for month in months]
    return any(int(day) <= _DAYS_IN_MONTH[month - 1] for day in days for month in in_months)


@lru_cache(maxsize=1024)
def _check_cron(schedule: str) -> None:
    """Raises ValueError. Many loaders share few schedules, and reading one is slow."""
    if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
        raise ValueError(f"{schedule!r} is not a cron line of five fields; write for example '*/5 * * * *'")
    strange = [word for word in _WORD.findall(schedule.lower()) if word not in _CRON_NAMES]
    if strange or "#" in schedule:
        raise ValueError(f"{schedule!r} uses {strange[0] if strange else '#'!r}; write digits, names, * , - and / only")
    if not _fires_every_year(schedule):
        raise ValueError(f"{schedule!r} does not fire in every year; write a day that every year has")


class Frozen(BaseModel):
    """Immutable and strict about unknown fields: a typo in a rule file is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Connection(Frozen):
    """How to reach a source. `url` carries no user information; the password is kept apart and encrypted at rest."""

    url: str
    username: str | None = None
    password: SecretStr | None = None
    verify_tls: bool = True
    ca_file: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _without_userinfo(cls, given: Any) -> Any:
        """`http://user:password@host` becomes username and password, where they are encrypted."""
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            return given
        url, username, password = split_userinfo(given["url"])
        moved = {name: value for name, value in (("username", username), ("password", password)) if value is not None}
        return {**given, "url": url, **{name: given.get(name) or value for name, value in moved.items()}}


class MetricLimit(Frozen):
    """The level a gauge must not reach; capacity dates and the 90 % line come from it."""

    value: float
    warn_at_pct: float = Field(default=90.0, gt=0, le=100)
    lead_time_days: float = Field(default=14.0, ge=0)


class Metric(Frozen):
    """What one query yields."""

    metric_name: MetricName
    title: str = ""
    unit: str = ""
    kind: MetricKind = MetricKind.GAUGE
    labels: list[str] = Field(default_factory=list, description="labels kept; empty keeps all that the source returns")
    limit: MetricLimit | None = None


class PrometheusQuery(Metric):
    """Any PromQL. Evaluated at every `step_s` of the range."""

    promql: str = Field(min_length=1)


class ElasticsearchQuery(Metric):
    """Any query DSL with any nested aggregations.

    Buckets become labels named after their aggregation, `value` names the metric aggregation that becomes the value
    (`doc_count` when absent; `latency.99.0` picks a key of a multi-value one). The time axis is a date_histogram over
    `timestamp_field` with the loader's step, added around `aggregations` by the adapter.
    """

    index: str
    query: dict[str, Any] = Field(default_factory=lambda: {"match_all": {}})
    aggregations: dict[str, Any] = Field(default_factory=dict)
    value: str = "doc_count"
    scale: float = 1.0
    timestamp_field: str = "@timestamp"


class LogLinesQuery(Frozen):
    """Log lines themselves, for log patterns. Fields name the document fields (dots reach into objects)."""

    index: str
    query: dict[str, Any] = Field(default_factory=lambda: {"match_all": {}})
    timestamp_field: str = "@timestamp"
    service_field: str = "service.name"
    level_field: str = "log.level"
    message_field: str = "message"
    correlation_field: str = "correlationId"
    max_lines: int = Field(default=50_000, ge=1, description="per capture; what is over is counted as dropped, aloud")


class SqlQuery(Metric):
    """Any SELECT. Bound parameters `:window_start` and `:window_end` (aware UTC) limit it to the range.

    `time_column` names the instant of a row (absent: the row is stamped with the start of its window and the query runs
    once per window), `value_column` the number, every other column is a label. `dialect_time` says how instants are
    bound and read: aware timestamps, naive UTC timestamps, or epoch seconds.
    """

    sql: str = Field(min_length=1)
    value_column: str = "value"
    time_column: str | None = None
    dialect_time: Literal["aware", "naive_utc", "epoch_s"] = "aware"


class PushQuery(Metric):
    """A metric that a client may push. Pushed names outside the list are refused unless the loader accepts any."""


class LoaderDefinition(Frozen):
    """One version of one loader."""

    code: Code
    title: str
    description: str = ""
    owner: str = "data-platform"
    source: SourceKind
    connection: str | Connection = Field(description="name of a configured connection, or the connection itself")
    schedule: str = Field(description="cron, UTC; one window per tick: [previous tick, tick)")
    step_s: float = Field(gt=0, description="resolution of the points inside a window, seconds")
    expected_latency_s: float = Field(default=30.0, ge=0, description="wait after a window's end before it is due")
    late_lookback_s: float = Field(
        default=0.0, ge=0, description="how far back windows are looked at again for late rows"
    )
    history_s: float = Field(default=0.0, ge=0, description="first capture of a new loader starts this far back")
    timeout_s: float = Field(default=30.0, gt=0)
    max_series: int = Field(default=5_000, ge=1)
    max_label_bytes: int = Field(default=4_096, ge=16)
    future_tolerance_s: float = Field(default=60.0, ge=0, description="clock skew accepted on captured_at")
    accepts_any_metric: bool = Field(default=False, description="push only: metric names outside `push` are accepted")
    prometheus: list[PrometheusQuery] = Field(default_factory=list)
    elasticsearch: list[ElasticsearchQuery] = Field(default_factory=list)
    log_lines: list[LogLinesQuery] = Field(default_factory=list)
    sql: list[SqlQuery] = Field(default_factory=list)
    push: list[PushQuery] = Field(default_factory=list)

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, schedule: str) -> str:
        _check_cron(schedule)
        return schedule

    @model_validator(mode="after")
    def _queries_fit_source(self) -> Self:
        expected = {
            SourceKind.PROMETHEUS: bool(self.prometheus),
            SourceKind.ELASTICSEARCH: bool(self.elasticsearch or self.log_lines),
            SourceKind.SQL: bool(self.sql),
            SourceKind.PUSH: bool(self.push) or self.accepts_any_metric,
        }
        if not expected[self.source]:
            raise ValueError(f"source is {self.source.value} but the list `{self.source.value}:` has no query")
        foreign = [
            name
            for name, kinds in {
                "prometheus": {SourceKind.PROMETHEUS},
                "elasticsearch": {SourceKind.ELASTICSEARCH},
                "log_lines": {SourceKind.ELASTICSEARCH},
                "sql": {SourceKind.SQL},
                "push": {SourceKind.PUSH},
            }.items()
            if getattr(self, name) and self.source not in kinds
        ]
        if foreign:
            raise ValueError(f"source is {self.source.value}, so `{foreign[0]}:` must be empty")
        return self

    @property
    def due_latency_s(self) -> float:
        """Seconds after a window's end at which it is complete at the source; negative when it is complete before its end.

        Prometheus is asked for instants, the last of which lies one step before the window's end; other sources for spans.
        """
        return self.expected_latency_s - (self.step_s if self.source is SourceKind.PROMETHEUS else 0.0)

    @property
    def metrics(self) -> list[Metric]:
        """All metrics of the loader, whatever their source."""
        return [*self.prometheus, *self.elasticsearch, *self.sql, *self.push]


def document_of(definition: LoaderDefinition) -> dict[str, Any]:
    """The definition as plain JSON, its password in clear: pass it through the field policies before it leaves the platform."""
    document = definition.model_dump(mode="json")
    if isinstance(definition.connection, Connection) and definition.connection.password is not None:
        document["connection"]["password"] = definition.connection.password.get_secret_value()
    return document


def compute_content_hash(definition: LoaderDefinition, *, key: bytes) -> str:
    """Keyed fingerprint (HMAC-SHA256) of all that the definition says, secrets included: approval and seeding bind to it.

    Fields at their default do not count, so that a release that adds one changes no fingerprint. `k1-` names this scheme.
    """
    body = definition.model_dump(mode="json", exclude_defaults=True)
    if isinstance(definition.connection, Connection) and definition.connection.password is not None:
        body["connection"]["password"] = definition.connection.password.get_secret_value()
    return f"k1-{hmac.new(key, orjson.dumps(body, option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()}"
