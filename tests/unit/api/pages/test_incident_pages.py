"""What the pages of incidents compute: pictures of signals, words of timelines and runbooks, buttons, what forms and addresses mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData

from api.pages.drawing import HEIGHT, LEFT, WIDTH, Mark, draw_signal
from api.pages.filters import read_instant, read_number, read_words
from api.pages.incident_actions import list_buttons, parse_action, read_request
from api.pages.incident_timeline import show_entry
from api.pages.posted import PostedForm
from api.pages.runbooks import address_of_runbook, parse_runbook
from domain.errors import InputDataError, NotFoundError
from domain.incidents.lifecycle import Action
from domain.incidents.view import IncidentState
from domain.vocabulary import Severity
from resources.incidents.graph import Signal, choose_stretch
from resources.incidents.listing import IncidentRow
from resources.incidents.reading import TimelineEntry
from resources.rule_files import shipped_rules

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def make_signal(values: list[float], *, band: float | None = None, missing: range = range(0)) -> Signal:
    kept = [number for number in range(len(values)) if number not in missing]
    bounds = [None if band is None else values[number] + band for number in kept]
    frame = pl.DataFrame(
        {
            "captured_at": [NOW + timedelta(minutes=number) for number in kept],
            "metric_value": [values[number] for number in kept],
            "expected": [None] * len(kept),
            "lower": [None if one is None or band is None else one - 2 * band for one in bounds],
            "upper": bounds,
        },
        schema_overrides=dict.fromkeys(("metric_value", "expected", "lower", "upper"), pl.Float64),
    )
    return Signal(1, "latency", "service=loader", "ms", 60.0, frame)


def draw(signal: Signal, *, threshold: float | None = None, marks: tuple[Mark, ...] = ()) -> Any:
    return draw_signal(signal, since=NOW, until=NOW + timedelta(minutes=60), threshold=threshold, marks=marks)


@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60),
    st.none() | st.floats(-1e12, 1e12),
    st.none() | st.floats(0, 1e12),
)
def test_whatever_is_drawn_stays_within_the_picture(
    values: list[float], threshold: float | None, band: float | None
) -> None:
    picture = draw(make_signal(values, band=band), threshold=threshold)
    numbers = [float(one) for one in re.findall(r"-?[\d.]+(?:e-?\d+)?", f"{picture.line} {picture.band}")]
    assert all(LEFT <= x <= WIDTH for x in numbers[::2])
    assert all(0 <= y <= HEIGHT for y in numbers[1::2])
    assert 2 <= len(picture.y_ticks) <= 8


def test_a_gap_breaks_the_line_and_a_lone_sample_is_a_dot() -> None:
    assert draw(make_signal([1.0] * 60)).line.count("M") == 1
    assert draw(make_signal([1.0] * 60, missing=range(20, 30))).line.count("M") == 2
    lone = draw(make_signal([1.0] * 60, missing=range(1, 30)))
    assert (lone.line.count("M"), len(lone.dots)) == (1, 1)


def test_marks_of_the_same_moment_do_not_cover_one_another() -> None:
    marks = tuple(Mark(NOW + timedelta(minutes=50, seconds=number), "acknowledged") for number in range(3))
    placed = draw(make_signal([1.0] * 60), marks=marks).marks
    assert len({one.y for one in placed}) == 3
    assert all(
        one.is_left for one in draw(make_signal([1.0]), marks=(Mark(NOW + timedelta(minutes=60), "resolved"),)).marks
    )
    assert draw(make_signal([1.0]), marks=(Mark(NOW - timedelta(days=1), "long before"),)).marks == []


def test_a_short_stretch_is_shown_around_the_fault_and_the_whole_on_demand() -> None:
    late = NOW + timedelta(days=3)
    since, until = choose_stretch(NOW, None, now=late, is_whole=False)
    assert (since, until) == (NOW - timedelta(hours=2), NOW + timedelta(hours=22))
    assert choose_stretch(NOW, None, now=late, is_whole=True)[1] == late
    assert choose_stretch(NOW, NOW, now=late, is_whole=False)[1] == NOW + timedelta(minutes=30)
    since, until = choose_stretch(late, NOW, now=NOW, is_whole=True)  # an onset that another clock sees ahead of ours
    assert since < until


def make_entry(kind: str, *, actor: str = "ann", cause: str = "sms", **detail: Any) -> TimelineEntry:
    return TimelineEntry(1, NOW, actor, kind, cause, None, None, detail, "")


def test_the_timeline_says_who_through_what_and_what_was_said() -> None:
    shown = show_entry(make_entry("acknowledge", reason="on my way"))
    assert (shown.title, shown.by, shown.said, shown.kind) == ("Acknowledged", "ann via sms", "on my way", "ok")
    joined = show_entry(
        make_entry("alert-joined", actor="detection", reason="same place", titles=["a", "b"], alerts=[1, 2])
    )
    assert (joined.said, joined.lines) == ("", ["same place", "a", "b"])
    assert show_entry(make_entry("from-another-release", note={"x": [1]})).title == "From another release"


def test_a_runbook_is_read_without_trusting_it() -> None:
    title, blocks = parse_runbook("# Pool\n\n**Look at.** `a<b`: <script>\n\n## Then\n- one\n- two")
    assert title == "Pool"
    assert [one.kind for one in blocks] == ["text", "heading", "item", "item"]
    assert blocks[0].spans == [("strong", "Look at."), ("", " "), ("code", "a<b"), ("", ": <script>")]
    for path in (shipped_rules() / "runbooks").glob("*.md"):
        assert all(parse_runbook(path.read_text())), path


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("rules/runbooks/disk-full.md", "/runbooks/disk-full"), ("https://wiki.example/x", "https://wiki.example/x"),
        ("javascript:alert(1)", ""), ("rules/runbooks/../secrets.md", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_runbook_leads_only_to_a_page_of_ours_or_to_the_web(written: str, address: str) -> None:
    assert address_of_runbook(written) == address


def test_addresses_that_make_no_sense_are_as_if_they_were_not_there() -> None:
    assert [read_number(one) for one in ("12", "0", "-1", "٣", "9" * 30, "", "1.5")] == [12, *[None] * 6]
    assert read_words(["LOW", "nonsense", "CRITICAL"], Severity) == [Severity.CRITICAL, Severity.LOW]
    assert read_instant("2026-03-10T12:00") == NOW == read_instant("2026-03-10T13:00+01:00")
    assert read_instant("yesterday") is None


def make_row(state: IncidentState, **changes: Any) -> IncidentRow:
    fields: dict[str, Any] = dict.fromkeys(IncidentRow.__slots__)
    fields |= {
        "incident_id": 7,
        "title": "x",
        "severity": Severity.HIGH,
        "state": state,
        "revision": 3,
        "reopened_count": 0,
    }
    return IncidentRow(**{**fields, **changes})


@pytest.mark.requirement("E1")
def test_buttons_are_what_is_legal_now_with_the_likely_one_in_front() -> None:
    def names(row: IncidentRow, alerts: int = 1) -> list[str]:
        return [one.title for one in list_buttons(row, alerts=alerts)]

    assert names(make_row(IncidentState.OPEN), 2)[0] == "Acknowledge"
    assert "Split" in names(make_row(IncidentState.OPEN), 2)
    assert "Split" not in names(make_row(IncidentState.OPEN), 1)
    assert names(make_row(IncidentState.INVESTIGATING, acknowledged_by="ann"))[0] == "Resolve"
    assert names(make_row(IncidentState.RESOLVED, acknowledged_by="ann")) == ["Close", "Reopen"]
    assert names(make_row(IncidentState.CLOSED, merged_into=1)) == []


def test_the_form_of_an_action_is_read_as_what_it_says() -> None:
    def read(action: Action, **fields: str) -> Any:
        return read_request(action, PostedForm(FormData(fields)), actor="ann", now=NOW)

    assert read(Action.SNOOZE, for_s="3600").until == NOW + timedelta(hours=1)
    assert read(Action.SNOOZE, for_s="3600", until="2026-03-11T12:00").until == NOW + timedelta(days=1)
    assert read(Action.SNOOZE, until="soon").until is None
    assert read(Action.MERGE, into=" inc-12 ").into == 12
    assert read(Action.ASSIGN, assignee="").assignee is None
    assert read(Action.SET_SEVERITY, severity="WORST").severity is None
    with pytest.raises(InputDataError):
        read(Action.MERGE, into="the other one")
    with pytest.raises(NotFoundError):
        parse_action("explode")
