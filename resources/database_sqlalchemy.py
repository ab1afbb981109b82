"""Statistics from any database SQLAlchemy can reach: a SELECT becomes series, streamed in pages of columns.

`:window_start` and `:window_end` are bound to the range. With a time column the query runs once over the whole range;
without, once per window of `step_s`, and its rows are stamped with the window's start. Rows that a query returns from
outside its range are handed on: judging them is the business of `domain.capture`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import polars as pl
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import CursorResult, Engine, text

from domain.answers import Answer
from domain.capture.ranges import compute_epoch_us, compute_instant, split_range
from domain.errors import SourceQueryError, SourceTimeoutError
from domain.loaders.definition import Connection, LoaderDefinition, SqlQuery
from domain.vocabulary import QuarantineReason
from resources import tracing
from resources.answer_collector import AnswerCollector
from resources.client_cache import ClientCache
from resources.outgoing_http import Deadline, call_with_retries
from resources.series_rows import ROWS_SCHEMA, SeriesRows
from resources.sql_engine import open_engine, reading
from resources.sql_errors import describe_url
from resources.sql_rows import parse_instants, parse_label_texts, parse_numbers

PAGE_ROWS = 20_000


class SqlSource:
    """A `StatisticsSource`. Safe to share between threads; connections to a database are pooled and reused."""

    def __init__(self) -> None:
        self._engines = ClientCache(open_engine)

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        """See `domain.ports.StatisticsSource.fetch`."""
        found = AnswerCollector()
        if start < end:
            engine = self._engines.client_for(connection)
            for query in loader.sql:
                _Capture(loader, query, engine, found).run(start, end)
        return found.build()

    def ping(self, connection: Connection, *, timeout_s: float) -> str:
        """Opens a connection and reads `1`; what answered. Raises as `fetch` does."""
        engine = self._engines.client_for(connection)
        with reading(engine, deadline=Deadline.after(timeout_s)) as opened:
            opened.execute(text("SELECT 1"))
        return f"{engine.dialect.name} at {describe_url(engine.url)}"

    def close(self) -> None:
        """Release all pooled connections; the source stays usable and opens new ones."""
        for engine in self._engines.take_all():
            engine.dispose()


class _Capture:
    """One query of one loader over one range."""

    def __init__(self, loader: LoaderDefinition, query: SqlQuery, engine: Engine, found: AnswerCollector) -> None:
        self._loader = loader
        self._query = query
        self._engine = engine
        self._found = found
        self._rows = SeriesRows(query, max_series=loader.max_series)
        self._source_of: dict[str, tuple[str | None, ...]] = {}

    def run(self, start: datetime, end: datetime) -> None:
        """All rows of [start, end) into the answer."""
        for window_start, window_end in self._windows(start, end):
            self._run_window(window_start, window_end)
        self._rows.hand_over(self._found)

    def _run_window(self, start: datetime, end: datetime) -> None:
        """One execution. Connecting is tried again, the query is not: rows of the failed one may have been taken already."""
        where, is_connected = describe_url(self._engine.url), False

        def attempt(deadline: Deadline) -> None:
            nonlocal is_connected
            self._found.requests += 1
            facts = {"db__system__name": self._engine.dialect.name, "server__address": where}
            with (
                tracing.span(f"SELECT {self._query.metric_name}", kind="client", **facts),
                reading(self._engine, deadline=deadline) as connection,
            ):
                is_connected = True
                result = self._ask(connection, start, end)
                for page in _pages(result):
                    self._read(page, start)
                    if deadline.remaining_s() == 0:
                        raise SourceTimeoutError(
                            f"{where} still sends rows after {deadline.timeout_s:g} s",
                            suggestion="aggregate in the query, or raise timeout_s of the loader",
                        )

        call_with_retries(
            attempt,
            timeout_s=self._loader.timeout_s,
            breaker=f"sql {where}",
            may_repeat=lambda: not is_connected,
        )

    def _windows(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        if self._query.time_column is not None:
            yield start, end
            return
        for span in split_range(start, end, step_s=self._loader.step_s, max_points=1):
            yield span.first_at, min(end, span.first_at + timedelta(seconds=self._loader.step_s))

    def _ask(self, connection: SqlConnection, start: datetime, end: datetime) -> CursorResult[tuple[object, ...]]:
        clause = text(self._query.sql)
        known = {"window_start": self._bind(start), "window_end": self._bind(end)}
        bound = {name: value for name, value in known.items() if name in clause.compile().params}
        streaming = connection.execution_options(stream_results=True, max_row_buffer=PAGE_ROWS)
        result = streaming.execute(clause, bound)
        columns = list(result.keys()) if result.returns_rows else []
        wanted = {self._query.value_column, *([self._query.time_column] if self._query.time_column else [])}
        if missing := sorted(wanted - set(columns)):
            raise SourceQueryError(
                f"the query of {self._query.metric_name} returns no column {missing[0]!r}; "
                f"there are: {', '.join(columns) or 'none'}",
                suggestion="name it in the SELECT with AS, or correct value_column or time_column",
            )
        if len(set(columns)) < len(columns):
            raise SourceQueryError(
                f"the query of {self._query.metric_name} returns two columns of the same name: {', '.join(columns)}",
                suggestion="give each column its own name with AS",
            )
        return result

    def _bind(self, instant: datetime) -> datetime | float | str:
        """The instant as the dialect compares it. SQLite compares text, where a missing fraction sorts before any."""
        kind = self._query.dialect_time
        if kind == "epoch_s":
            return compute_epoch_us(instant) / 1e6
        bound = instant.astimezone(UTC) if kind == "aware" else instant.astimezone(UTC).replace(tzinfo=None)
        return bound.isoformat(" ") if self._engine.url.get_backend_name() == "sqlite" else bound

    def _read(self, page: dict[str, tuple[object, ...]], window_start: datetime) -> None:
        query = self._query
        names = [name for name in page if name not in {query.value_column, query.time_column}]
        labels = pl.DataFrame({name: parse_label_texts(page[name]) for name in names})
        raw = page[query.value_column]
        texts = self._label_texts(labels) if names else pl.Series(["{}"] * len(raw))
        if query.time_column is None:
            instants = pl.Series([compute_epoch_us(window_start)] * len(raw), dtype=pl.Int64)
        else:
            instants = parse_instants(page[query.time_column], dialect_time=query.dialect_time)
        rows = pl.DataFrame({"labels": texts, "epoch_us": instants, "metric_value": parse_numbers(raw)})
        self._set_aside(rows, raw)
        self._rows.add_page(rows.drop_nulls().cast(ROWS_SCHEMA))  # type: ignore[arg-type]

    def _label_texts(self, labels: pl.DataFrame) -> pl.Series:
        """The canonical labels of each row; only distinct combinations are looked at one by one."""
        names = sorted(self._query.labels or labels.columns)
        distinct = labels.unique()
        texts = []
        for row in distinct.iter_rows(named=True):
            kept = {name: row[name] for name in names if row.get(name) is not None}
            label_text = orjson.dumps(kept).decode()
            if self._source_of.setdefault(label_text, tuple(row.values())) != tuple(row.values()):
                raise SourceQueryError(
                    f"two rows of {self._query.metric_name} have the same labels once only {', '.join(names)} are kept",
                    suggestion="GROUP BY the labels that are kept, or list all that tell the rows apart",
                )
            texts.append(label_text)
        coded = distinct.with_columns(pl.Series("__labels", texts, dtype=pl.String))
        return labels.join(coded, on=labels.columns, how="left", nulls_equal=True, maintain_order="left")["__labels"]

    def _set_aside(self, rows: pl.DataFrame, raw: tuple[object, ...]) -> None:
        odd = rows.with_row_index("row").filter(pl.any_horizontal(pl.col("epoch_us", "metric_value").is_null()))
        for row, labels, epoch_us, value in odd.iter_rows():
            self._found.set_aside(
                self._query.metric_name,
                orjson.loads(labels),
                captured_at=None if epoch_us is None else compute_instant(epoch_us),
                raw_value=str(raw[row])[:500],
                reason=QuarantineReason.NOT_NUMERIC if value is None else QuarantineReason.MISSING_TIMESTAMP,
                detail=f"{self._query.value_column} is text: CAST it in the query"
                if value is None
                else f"{self._query.time_column} holds no instant",
            )


def _pages(result: CursorResult[tuple[object, ...]]) -> Iterator[dict[str, tuple[object, ...]]]:
    """The rows as columns, PAGE_ROWS at a time."""
    names = list(result.keys())
    while rows := result.fetchmany(PAGE_ROWS):
        yield dict(zip(names, zip(*rows, strict=True), strict=True))
