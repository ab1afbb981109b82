"""What goes out comes in again unchanged, whatever the texts are; nothing in the file is a formula."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.access.field_protection import Effect, protect
from domain.errors import InputDataError
from domain.loaders.definition import LoaderDefinition, document_of
from domain.loaders.parsing import parse_definition
from domain.loaders.workbook_parsing import parse_workbook
from resources.rule_files import load_rule_file, shipped_rules
from resources.workbook.reading import read_workbook
from tests.fakes.workbooks import bytes_of, prometheus_loader, workbook_bytes

pytestmark = pytest.mark.requirement("A8")

#: Shrinking a definition takes minutes; the failing one is printed as it is.
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
TEXT = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.sampled_from(["", " ", "\u00a0", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "json:", 'json:"x"', "********x"]),
    st.sampled_from(["a\nb", "a\r\nb", "\r", "_x000D_", "_x0041_", "\ufffe", "\x01", '"quoted"', "(hidden)", "#N/A", "TRUE", "007"]),
    st.sampled_from(["1e5", "2024-01-01", "1/2", "[]", "{}", "a,b", " a", "a ", "😀", "é", "\u200b", "x" * 5_000]),
)  # fmt: skip
FILLED = TEXT.filter(lambda one: one != "")
NUMBER = st.one_of(st.integers(-(10**6), 10**12).map(float), st.floats(allow_nan=False, allow_infinity=False))
POSITIVE = st.one_of(st.integers(1, 10**6).map(float), st.floats(1e-6, 1e12))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), NUMBER, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
LIMIT = st.none() | st.fixed_dictionaries(
    {"value": NUMBER, "warn_at_pct": st.floats(0.1, 100), "lead_time_days": st.floats(0, 1e4)}
)
METRIC = {
    "metric_name": st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z"),
    "title": TEXT,
    "unit": TEXT,
    "kind": st.sampled_from(["gauge", "counter", "rate", "ratio"]),
    "labels": st.lists(TEXT, max_size=3),
    "limit": LIMIT,
}
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
QUERIES = {
    "prometheus": st.fixed_dictionaries({**METRIC, "promql": FILLED}),
    "elasticsearch": st.fixed_dictionaries(
        {**METRIC, "index": TEXT, "query": OBJECT, "aggregations": OBJECT, "value": TEXT, "scale": NUMBER, "timestamp_field": TEXT}
    ),
    "sql": st.fixed_dictionaries(
        {
            **METRIC, "sql": FILLED, "value_column": TEXT, "time_column": st.none() | TEXT,
            "dialect_time": st.sampled_from(["aware", "naive_utc", "epoch_s"]),
        }
    ),
    "push": st.fixed_dictionaries(METRIC),
}  # fmt: skip
LOG_LINES = st.fixed_dictionaries(
    {"index": TEXT, "query": OBJECT, "message_field": TEXT, "level_field": TEXT, "max_lines": st.integers(1, 10**9)}
)
CONNECTION = TEXT.filter(lambda one: one not in ("", "********")) | st.fixed_dictionaries(
    {
        "url": st.just("https://host.example:9090/path"),
        "username": st.none() | TEXT,
        "password": st.none() | TEXT,
        "verify_tls": st.booleans(),
        "ca_file": st.none() | TEXT,
        "headers": st.dictionaries(TEXT, TEXT, max_size=2),
    }
)


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    source = draw(st.sampled_from(sorted(QUERIES)))
    body = {
        "code": draw(st.from_regex(r"\A[A-Z][A-Z0-9-]{1,20}\Z")),
        **{name: draw(TEXT) for name in ("title", "description", "owner")},
        "source": source,
        "connection": draw(CONNECTION),
        "schedule": draw(st.sampled_from(["*/5 * * * *", "0 6 1 1 *", "1 2 3 4 *"])),
        **{name: draw(POSITIVE) for name in ("step_s", "timeout_s", "history_s", "late_lookback_s")},
        "max_series": draw(st.integers(1, 10**9)),
        "accepts_any_metric": draw(st.booleans()),
        source: draw(st.lists(QUERIES[source], min_size=1, max_size=3)),
    }
    if source == "elasticsearch":
        body["log_lines"] = draw(st.lists(LOG_LINES, max_size=2))
    return document_of(LoaderDefinition.model_validate(body))


def _read(data: bytes, effects: dict[str, Effect] | None = None) -> tuple[list[dict[str, Any]], list[Any]]:
    content = read_workbook(data)
    parsed = parse_workbook(content.loaders, content.queries, effects=effects)
    return [one.document for one in parsed.loaders], [*content.errors, *parsed.errors]


@settings(max_examples=80, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(documents(), min_size=1, max_size=3, unique_by=lambda one: one["code"]))
def test_every_definition_comes_back_as_it_went(written: list[dict[str, Any]]) -> None:
    found, errors = _read(workbook_bytes(*written))
    assert not errors
    assert [document_of(parse_definition(one)) for one in found] == written


@settings(max_examples=40, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_what_was_masked_comes_back_as_what_is_stored(stored: dict[str, Any]) -> None:
    effects = {
        "connection.password": Effect.HIDDEN, "connection.headers.*": Effect.HIDDEN, "connection.username": Effect.MASKED,
        "connection.url": Effect.MASKED, "owner": Effect.HIDDEN, "step_s": Effect.MASKED,
    }  # fmt: skip
    from domain.loaders.workbook_rows import list_hidden

    data = bytes_of([protect(stored, effects)], hidden=list_hidden(effects))
    found, errors = _read(data, effects)
    assert not errors
    assert document_of(parse_definition(found[0], stored=stored, effects=effects)) == stored


def test_what_is_hidden_from_one_role_is_not_cleared_by_another() -> None:
    connection = {"url": "https://h:1", "password": "s3cret", "headers": {"X-Key": "k"}}
    stored = prometheus_loader(connection=connection, owner="me")
    viewer = {"connection.password": Effect.HIDDEN, "connection.headers.*": Effect.HIDDEN}
    data = bytes_of([protect(stored, viewer)], hidden=frozenset({"connection.headers", "connection.password"}))
    operator = {"connection.password": Effect.MASKED, "connection.headers.*": Effect.MASKED}
    found, errors = _read(data, operator)
    assert not errors
    assert document_of(parse_definition(found[0], stored=stored, effects=operator)) == stored

    data = bytes_of([protect(stored, {"owner": Effect.HIDDEN})])
    _, errors = _read(data, {})
    assert [(one.where, one.header) for one in errors] == [("Loaders!D2", "owner")]
    assert "own name" in errors[0].suggestion


def test_shipped_rules_come_back() -> None:
    paths = sorted((shipped_rules() / "loaders").glob("*.yaml"))
    written = [document_of(load_rule_file(path, LoaderDefinition)) for path in paths]
    found, errors = _read(workbook_bytes(*written))
    assert not errors
    assert len(found) == len(written) > 10
    assert [document_of(parse_definition(one)) for one in found] == written


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "=cmd|'/c calc'!A1"])
def test_no_text_of_a_loader_becomes_a_formula(text: str) -> None:
    data = workbook_bytes(prometheus_loader(title=text, description=text))
    sheet = openpyxl.load_workbook(io.BytesIO(data))["Loaders"]
    for one in (sheet["B2"], sheet["C2"]):
        assert one.value == text.replace("\r", "_x000D_")
        assert one.quotePrefix
        assert one.data_type in ("s", "f")  # openpyxl guesses f by the text; the file says inline string
    assert b"<f>" not in _sheet_xml(data)
    assert b't="inlineStr"' in _sheet_xml(data)


def _sheet_xml(data: bytes) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("length", [32_767, 32_768])
def test_a_text_longer_than_a_cell_is_refused_by_loader_and_field(length: int) -> None:
    loader = prometheus_loader(description="x" * length)
    if length == 32_767:
        found, errors = _read(workbook_bytes(loader))
        assert (found[0]["description"], errors) == ("x" * length, [])
        return
    with pytest.raises(InputDataError, match="ORDERS-DB: description has 32,768 characters") as caught:
        workbook_bytes(loader)
    assert caught.value.context == {"loader": "ORDERS-DB", "field": "description"}


def test_characters_beyond_the_basic_plane_count_twice() -> None:
    with pytest.raises(InputDataError, match="has 40,000 characters"):
        workbook_bytes(prometheus_loader(description="😀" * 20_000))


def test_the_template_has_types_lists_and_notes_and_no_row() -> None:
    book = openpyxl.load_workbook(io.BytesIO(bytes_of([])))
    assert book.sheetnames == ["Loaders", "Queries", "Guide"]
    loaders, queries = book["Loaders"], book["Queries"]
    assert (loaders.max_row, queries.max_row) == (1, 1)
    assert all(one.comment and one.comment.text for sheet in (loaders, queries) for one in sheet[1])
    assert (loaders.freeze_panes, queries.freeze_panes) == ("B2", "B2")
    lists = {str(one.sqref): one.formula1 for one in loaders.data_validations.dataValidation}
    assert '"prometheus,elasticsearch,sql,push"' in lists.values()
    assert '"TRUE,FALSE"' in lists.values()
    assert loaders.column_dimensions["A"].width >= 12


def test_an_edited_copy_of_a_spreadsheet_program_is_read_like_ours() -> None:
    """openpyxl writes shared strings and other XML than xlsxwriter."""
    from tests.fakes.workbooks import edited

    written = [prometheus_loader(f"L{k}", title=f"=t{k}") for k in range(3)]

    def keep_texts(book: Any) -> None:
        for row in book["Loaders"].iter_rows(min_row=2):
            for one in row:
                if one.data_type == "f":
                    one.data_type = "s"

    found, errors = _read(edited(workbook_bytes(*written), keep_texts))
    assert not errors
    assert [document_of(parse_definition(one)) for one in found] == written
