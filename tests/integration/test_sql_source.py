"""The SQL source on SQLite and PostgreSQL: any SELECT, any column types, within its range and its time."""

from __future__ import annotations

import math
import socketserver
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import create_engine, make_url, text

from domain.answers import ANSWER_POINTS_SCHEMA, Answer
from domain.circuit_breaker import BreakerRules
from domain.errors import (
    CircuitOpenError,
    SourceAuthenticationError,
    SourceFailedError,
    SourceQueryError,
    SourceTimeoutError,
    SourceUnreachableError,
)
from domain.loaders.definition import Connection, LoaderDefinition
from domain.vocabulary import QuarantineReason
from resources.breakers import process_breakers
from resources.database_sqlalchemy import SqlSource
from tests.fakes.faulty_http import unused_port

pytestmark = pytest.mark.requirement("B4")

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EPOCH = int(NOON.timestamp())
ODD = 'quo"te back\\slash new\nline λ🦀'


def _loader(sql: str, **fields: Any) -> LoaderDefinition:
    limits = {name: fields.pop(name) for name in ("max_series", "timeout_s", "step_s") if name in fields}
    query = {"metric_name": "m", "sql": sql, "time_column": "at", **fields}
    body = {"code": "T-SQL", "title": "t", "source": "sql", "connection": "d", "schedule": "* * * * *", "step_s": 60}
    return LoaderDefinition.model_validate({**body, **limits, "sql": [query]})


def _fetch(url: str, sql: str, *, minutes: float = 10, **fields: Any) -> Answer:
    end = NOON + timedelta(minutes=minutes)
    with closing(SqlSource()) as source:
        return source.fetch(_loader(sql, **fields), Connection(url=url), start=NOON, end=end)


def _rows(answer: Answer) -> list[tuple[dict[str, str], float, float]]:
    found = [(answer.series[i].labels, (at - NOON).total_seconds(), value) for i, at, value in answer.points.rows()]
    return sorted(found, key=lambda row: (row[1], sorted(row[0].items())))


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    path = tmp_path / "runs 100%#1.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE runs (at_epoch REAL, at_text TEXT, loader TEXT, took REAL)")
        database.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?)",
            [
                (EPOCH + 60 * k, f"2026-11-01 12:{k:02}:00", ("daily", "hourly")[k % 2], k / 2)
                for k in range(-5, 30)
                if k >= 0
            ],
        )
    database.close()
    return f"sqlite:///{path}"


IN_WINDOW = "at_epoch >= :window_start AND at_epoch < :window_end"


def test_rows_become_points_of_series_by_their_other_columns(sqlite: str) -> None:
    answer = _fetch(
        sqlite,
        f"SELECT at_epoch AS at, loader, took AS value FROM runs WHERE {IN_WINDOW}",
        dialect_time="epoch_s",
        minutes=3,
    )
    assert answer.points.schema == pl.Schema(ANSWER_POINTS_SCHEMA)
    assert _rows(answer) == [
        ({"loader": "daily"}, 0, 0),
        ({"loader": "hourly"}, 60, 0.5),
        ({"loader": "daily"}, 120, 1),
    ]
    assert answer.requests == 1


def test_text_instants_of_sqlite_are_bounded_to_the_second(sqlite: str) -> None:
    sql = "SELECT at_text AS at, took AS value FROM runs WHERE at_text >= :window_start AND at_text < :window_end"
    answer = _fetch(sqlite, sql, dialect_time="naive_utc", minutes=4)
    assert [second for _, second, _ in _rows(answer)] == [0, 60, 120, 180]


def test_without_a_time_column_each_window_is_asked_and_stamped(sqlite: str) -> None:
    sql = f"SELECT loader, count(*) AS runs FROM runs WHERE {IN_WINDOW} GROUP BY loader"
    answer = _fetch(sqlite, sql, time_column=None, value_column="runs", dialect_time="epoch_s", step_s=300, minutes=12)
    assert answer.requests == 3
    assert _rows(answer) == [
        ({"loader": "daily"}, 0, 3), ({"loader": "hourly"}, 0, 2), ({"loader": "daily"}, 300, 2),
        ({"loader": "hourly"}, 300, 3), ({"loader": "daily"}, 600, 1), ({"loader": "hourly"}, 600, 1),
    ]  # fmt: skip


@pytest.mark.requirement("B7")
def test_odd_values_are_translated_or_set_aside(sqlite: str) -> None:
    sql = (
        f"SELECT {EPOCH} AS at, 1 AS value, 'int' AS kind UNION ALL SELECT {EPOCH}, 2.5, 'float' "
        f"UNION ALL SELECT {EPOCH}, NULL, 'null' UNION ALL SELECT {EPOCH}, 'oops', 'text' "
        f"UNION ALL SELECT {EPOCH}, 9e999, 'inf' UNION ALL SELECT {EPOCH}, x'00ff', 'bytes' "
        f"UNION ALL SELECT NULL, 7, 'no time' UNION ALL SELECT {EPOCH}, 3, NULL"
    )
    answer = _fetch(sqlite, sql, dialect_time="epoch_s")
    values = {labels.get("kind"): value for labels, _, value in _rows(answer)}
    assert math.isnan(values.pop("null"))
    assert values == {"int": 1, "float": 2.5, "inf": math.inf, None: 3}
    aside = {row.labels["kind"]: (row.reason, row.raw_value, row.captured_at) for row in answer.quarantined}
    assert aside["text"] == (QuarantineReason.NOT_NUMERIC, "oops", NOON)
    assert aside["bytes"][0] == QuarantineReason.NOT_NUMERIC
    assert aside["no time"] == (QuarantineReason.MISSING_TIMESTAMP, "7", None)


def test_labels_with_quotes_newlines_unicode_and_64_kilobytes(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "odd.db") as database:
        database.execute("CREATE TABLE odd (at REAL, label TEXT, value REAL)")
        database.executemany("INSERT INTO odd VALUES (?, ?, ?)", [(EPOCH, ODD, 1), (EPOCH, "L" * 65_536, 2)])
    database.close()
    answer = _fetch(f"sqlite:///{tmp_path}/odd.db", "SELECT * FROM odd", dialect_time="epoch_s")
    assert [one.labels["label"] for one in answer.series] == [ODD, "L" * 65_536]


@pytest.mark.requirement("B8")
def test_an_explosion_of_series_keeps_the_highest_and_counts_the_rest(sqlite: str) -> None:
    sql = (
        f"WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 99999) "
        f"SELECT {EPOCH} AS at, 'p' || k AS pod, k AS value FROM n"
    )
    answer = _fetch(sqlite, sql, dialect_time="epoch_s", max_series=50)
    assert {"p99999", "p99950"} <= {one.labels["pod"] for one in answer.series}
    assert len(answer.series) + answer.dropped_series == 100_000
    assert len(answer.series) <= 20_000


def test_labels_that_make_two_series_equal_are_refused(sqlite: str) -> None:
    sql = f"SELECT {EPOCH} AS at, 1 AS value, 'a' AS x, 'b' AS y UNION ALL SELECT {EPOCH}, 1, 'a', 'c'"
    with pytest.raises(SourceQueryError, match="only x are kept"):
        _fetch(sqlite, sql, dialect_time="epoch_s", labels=["x"])


@pytest.mark.parametrize(
    ("sql", "fields", "words"),
    [
        ("SELEC 1", {}, "syntax error"),
        ("SELECT * FROM nowhere", {}, "nowhere"),
        ("SELECT 1 AS at, 2 AS amount", {}, "no column 'value'; there are: at, amount"),
        ("SELECT 1 AS value", {}, "no column 'at'; there are: value"),
        ("SELECT 1 AS at, 1 AS value, 2 AS x, 3 AS x", {}, "two columns of the same name"),
        ("SELECT '2026-11-01 12:00:00' AS at, 1 AS value", {"dialect_time": "aware"}, "without a time zone"),
        ("SELECT 1 AS at, 1 AS value WHERE 1 = :other", {}, "other"),
        ("DELETE FROM runs", {}, "(?i)readonly|no column"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_told_in_the_words_of_the_database(
    sqlite: str, sql: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(SourceQueryError, match=words) as caught:
        _fetch(sqlite, sql, **{"dialect_time": "epoch_s", **fields})
    assert caught.value.as_dict()["errorType"] == "SOURCE_QUERY_ERROR"
    assert caught.value.suggestion


def test_a_slow_query_is_interrupted(sqlite: str) -> None:
    endless = "WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n) SELECT max(k) AS value, 1 AS at FROM n"
    with pytest.raises(SourceTimeoutError, match=r"within 0\.2 s"):
        _fetch(sqlite, endless, dialect_time="epoch_s", timeout_s=0.2)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "nodialect://host/db", "not a url", "http://host/db"])
def test_a_wrong_url_is_unreachable_and_creates_nothing(url: str) -> None:
    with pytest.raises(SourceUnreachableError) as caught:
        _fetch(url, "SELECT 1")
    assert caught.value.as_dict()["errorType"] == "SOURCE_UNREACHABLE"
    assert "url" in caught.value.suggestion


def test_a_refused_connection_tells_the_address_but_no_secret() -> None:
    connection = Connection.model_validate(
        {"url": f"postgresql://127.0.0.1:{unused_port()}/db", "username": "me", "password": "s3cret"}
    )
    with pytest.raises(SourceUnreachableError, match="refused") as caught:
        SqlSource().fetch(_loader("SELECT 1"), connection, start=NOON, end=NOON + timedelta(minutes=1))
    assert "s3cret" not in str(caught.value)
    assert "me@" not in str(caught.value)
    assert caught.value.is_retryable


class _HangsUp(socketserver.BaseRequestHandler):
    """A database in the middle of a restart: takes a connection and lets it fall."""

    def handle(self) -> None:
        self.request.recv(1024)
        self.server.asked += 1  # type: ignore[attr-defined]


@pytest.mark.requirement("A14")
def test_connecting_is_tried_again_until_the_breaker_opens() -> None:
    process_breakers().attach(None, BreakerRules(minimum_calls=3, window=5))
    with socketserver.TCPServer(("127.0.0.1", 0), _HangsUp) as server:
        server.asked = 0  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"postgresql://me@127.0.0.1:{server.server_address[1]}/x?sslmode=disable&gssencmode=disable"
        try:
            with pytest.raises(SourceUnreachableError):
                _fetch(url, "SELECT 1 AS value, 2 AS at")
            assert server.asked == 3  # type: ignore[attr-defined]
            with pytest.raises(CircuitOpenError):
                _fetch(url, "SELECT 1 AS value, 2 AS at")
            assert server.asked == 3  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()
            process_breakers().attach(None, BreakerRules())


@pytest.mark.requirement("A14")
def test_a_query_that_fails_is_not_run_again(tmp_path: Path) -> None:
    process_breakers().attach(None, BreakerRules(minimum_calls=3, window=5))
    url = f"sqlite:///{tmp_path / 'locked.db'}"
    with closing(sqlite3.connect(tmp_path / "locked.db")) as database:
        database.execute("CREATE TABLE t (at INTEGER, value REAL)")
        database.execute("BEGIN EXCLUSIVE")
        for expected in (*[SourceFailedError] * 3, CircuitOpenError):  # one call of the breaker for each fetch
            with pytest.raises(expected):
                _fetch(f"{url}?timeout=0", "SELECT at, value FROM t")
    process_breakers().attach(None, BreakerRules())


Ask = Callable[..., Answer]


@pytest.fixture
def ask_postgres(postgres_url: str) -> Ask:
    url = make_url(postgres_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE runs (at timestamptz, loader text, ok boolean, took numeric(10, 2))"))
        connection.execute(text("CREATE SEQUENCE ids"))
        connection.execute(
            text(
                "INSERT INTO runs SELECT :noon + k * interval '1 second', 'l' || k % 3, k % 2 = 0, k / 100.0 "
                "FROM generate_series(0, 59999) k"
            ),
            {"noon": NOON},
        )
    engine.dispose()
    connection_of = {"url": url.set(username=None, password=None).render_as_string(), "password": url.password}

    def ask(sql: str, *, minutes: float = 10, user: str | None = url.username, **fields: Any) -> Answer:
        connection = Connection.model_validate({**connection_of, "username": user})
        with closing(SqlSource()) as source:
            return source.fetch(_loader(sql, **fields), connection, start=NOON, end=NOON + timedelta(minutes=minutes))

    return ask


def test_postgresql_streams_types_of_its_own(ask_postgres: Ask) -> None:
    sql = "SELECT at, loader, ok, took AS value FROM runs WHERE at >= :window_start AND at < :window_end"
    answer = ask_postgres(sql, minutes=900)
    assert answer.points.height == 54_000
    assert {(one.labels["loader"], one.labels["ok"]) for one in answer.series} == {
        (f"l{k}", ok) for k in range(3) for ok in ("true", "false")
    }
    assert answer.points["metric_value"].sum() == pytest.approx(sum(k / 100 for k in range(54_000)))
    assert answer.points["captured_at"].max() == NOON + timedelta(seconds=53_999)


def test_postgresql_booleans_and_casts_are_values(ask_postgres: Ask) -> None:
    answer = ask_postgres("SELECT at, bool_and(ok)::boolean AS value FROM runs WHERE at = :window_start GROUP BY at")
    assert answer.points["metric_value"].to_list() == [1.0]


def test_postgresql_ends_a_slow_query_and_refuses_writing(ask_postgres: Ask) -> None:
    with pytest.raises(SourceTimeoutError, match="statement timeout"):
        ask_postgres("SELECT now() AS at, 1 AS value FROM pg_sleep(20)", timeout_s=0.2)
    with pytest.raises(SourceQueryError, match="INSERT"):
        ask_postgres("INSERT INTO runs VALUES (now(), 'x', true, 1) RETURNING at, took AS value")
    with pytest.raises(SourceQueryError, match="read-only transaction"):
        ask_postgres("SELECT now() AS at, nextval('ids') AS value")
    with pytest.raises(SourceQueryError, match='column "nope" does not exist'):
        ask_postgres("SELECT nope FROM runs")


def test_postgresql_login_that_fails_is_no_query_error(ask_postgres: Ask) -> None:
    with pytest.raises(SourceAuthenticationError) as caught:
        ask_postgres("SELECT 1", user="stranger")
    assert "username" in caught.value.suggestion
