"""A loader definition accepts what can run and refuses everything else with words that say what to write instead."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from domain.field_problems import list_problems
from domain.loaders.definition import Connection, LoaderDefinition, compute_content_hash
from domain.vocabulary import MetricKind

BODY: dict[str, object] = {
    "code": "DEMO-A", "title": "t", "source": "prometheus", "connection": "prometheus", "schedule": "*/5 * * * *", "step_s": 60,
    "prometheus": [{"metric_name": "requests", "promql": "up"}],
}  # fmt: skip
METRIC = {"metric_name": "requests"}


def parse(**changes: object) -> LoaderDefinition:
    return LoaderDefinition.model_validate({**BODY, **changes})


def fault(**changes: object) -> tuple[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as refused:
        parse(**changes)
    first = refused.value.errors()[0]
    return first["loc"], first["msg"]


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "*/5 * * * *",
        "0 0 * * 1",
        "0 0 * * sun",
        "15,45 6-18/2 1 jan-jun mon-fri",
        "0 0 31 * *",
        "0 0 29 2 0",
    ],
)
def test_a_cron_of_five_fields_is_a_schedule(schedule: str) -> None:
    assert parse(schedule=schedule).schedule == schedule


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("", "five fields"), ("@hourly", "five fields"), ("* * * * * *", "five fields"), ("61 * * * *", "five fields"),
        ("every minute of the day", "five fields"), ("*/0 * * * *", "five fields"),
        ("0 0 L * *", "'l'"), ("0 0 * * L5", "'l'"), ("R * * * *", "'r'"), ("0 0 * * mon#1", "'#'"), ("0 0 * * 1#2", "'#'"),
        ("0 0 30 2 *", "does not fire"), ("0 0 29 2 *", "does not fire"), ("0 0 31 2,4,6,9,11 *", "does not fire"),
    ],
)  # fmt: skip
def test_what_is_no_cron_or_cannot_be_kept_is_refused(schedule: str, words: str) -> None:
    where, message = fault(schedule=schedule)
    assert where == ("schedule",)
    assert words in message


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"code": "lower"}, ("code",), "pattern"),
        ({"code": "X"}, ("code",), "pattern"),
        ({"code": "A" * 65}, ("code",), "pattern"),
        ({"source": "promeheus"}, ("source",), "'prometheus', 'elasticsearch', 'sql' or 'push'"),
        ({"step_s": 0}, ("step_s",), "greater than 0"),
        ({"step_s": "fast"}, ("step_s",), "number"),
        ({"max_series": 0}, ("max_series",), "greater than or equal to 1"),
        ({"timeout_s": -1}, ("timeout_s",), "greater than 0"),
        ({"shedule": "* * * * *"}, ("shedule",), "Extra inputs"),
        ({"prometheus": [{"metric_name": "requests"}]}, ("prometheus", 0, "promql"), "required"),
        ({"prometheus": [{**METRIC, "promql": ""}]}, ("prometheus", 0, "promql"), "at least 1"),
        ({"prometheus": [{"metric_name": "Bad-Name", "promql": "up"}]}, ("prometheus", 0, "metric_name"), "pattern"),
        ({"prometheus": [{**METRIC, "promql": "up", "kind": "gage"}]}, ("prometheus", 0, "kind"), "'gauge'"),
        (
            {"prometheus": [{**METRIC, "promql": "up", "limit": {"warn_at_pct": 90}}]},
            ("prometheus", 0, "limit", "value"),
            "required",
        ),
        (
            {"prometheus": [{**METRIC, "promql": "up", "limit": {"value": 1, "warn_at_pct": 101}}]},
            ("prometheus", 0, "limit", "warn_at_pct"),
            "100",
        ),
        ({"prometheus": []}, (), "the list `prometheus:` has no query"),
        ({"source": "sql"}, (), "the list `sql:` has no query"),
        ({"source": "push", "prometheus": []}, (), "the list `push:` has no query"),
        ({"push": [METRIC]}, (), "`push:` must be empty"),
        ({"log_lines": [{"index": "logs"}]}, (), "`log_lines:` must be empty"),
        ({"connection": {"url": "http://x", "pasword": "y"}}, ("connection", "Connection", "pasword"), "Extra inputs"),
    ],
)
def test_every_fault_is_at_its_field(changes: dict[str, object], where: tuple[int | str, ...], words: str) -> None:
    found, message = fault(**changes)
    assert (found, words in message) in {(where, True), (("connection", "str"), False)}


def test_a_definition_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse().code = "DEMO-B"  # type: ignore[misc]


def test_metrics_of_all_sources_are_one_list_and_default_to_gauges() -> None:
    one = parse(source="push", prometheus=[], push=[{"metric_name": "orders", "kind": "counter"}, METRIC])
    assert [(m.metric_name, m.kind) for m in one.metrics] == [
        ("orders", MetricKind.COUNTER),
        ("requests", MetricKind.GAUGE),
    ]


@pytest.mark.requirement("A6")
def test_the_fingerprint_binds_to_all_content_and_is_nothing_without_its_key() -> None:
    def fingerprint(key: bytes = b"k" * 32, **changes: object) -> str:
        return compute_content_hash(parse(**changes), key=key)

    own = {"url": "http://x", "password": "a"}
    assert fingerprint() == fingerprint()
    assert fingerprint() == fingerprint(max_series=5_000), "a default that is written out is no other content"
    assert fingerprint() != fingerprint(step_s=61)
    assert fingerprint(connection=own) != fingerprint(connection={**own, "password": "b"})
    assert fingerprint(connection=own) != fingerprint(connection={**own, "headers": {"X-Key": "1"}})
    assert fingerprint() != fingerprint(key=b"other")


@pytest.mark.requirement("A5")
@pytest.mark.parametrize(
    ("given", "url", "username", "password"),
    [
        ("http://ann:p%40ss@host:9090/x", "http://host:9090/x", "ann", "p@ss"),
        ("postgresql://ann@host/db", "postgresql://host/db", "ann", None),
        ("postgresql://ann:a@b@host/db", "postgresql://host/db", "ann", "a@b"),
        ("http://host:9090/x?user=a@b", "http://host:9090/x?user=a@b", None, None),
        ("sqlite:////data/a.db", "sqlite:////data/a.db", None, None),
    ],
)
def test_user_information_leaves_the_url(given: str, url: str, username: str | None, password: str | None) -> None:
    one = Connection.model_validate({"url": given})
    assert (one.url, one.username) == (url, username)
    assert (one.password and one.password.get_secret_value()) == password


@pytest.mark.requirement("A5")
def test_a_password_that_breaks_the_url_is_refused_without_being_told() -> None:
    with pytest.raises(ValidationError) as caught:
        parse(connection={"url": "postgresql://ann:hun/ter2@host/db"})
    told = list_problems(caught.value)[0]
    assert told.field == "connection"
    assert "percent-encoded" in told.message
    assert "ter2" not in told.message


def test_a_password_is_not_shown() -> None:
    one = parse(connection={"url": "http://x", "password": "hunter2"})
    assert "hunter2" not in repr(one)
    assert "hunter2" not in one.model_dump_json()
    assert one.connection.password == SecretStr("hunter2")  # type: ignore[union-attr]
