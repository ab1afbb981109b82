"""Who is on call: rotations over DST changes and month ends, layers, overrides, gaps, calendars (H6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.notification.ical import render_ical
from domain.notification.on_call import Layer, Override, Schedule, list_gaps, list_shifts, on_call_at

pytestmark = pytest.mark.requirement("H6")
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Kathmandu",
    "Pacific/Apia",
]
DAY = timedelta(days=1)


def rota(zone: str = "Europe/Berlin", **layer: object) -> Schedule:
    fields = {"people": ["ann", "ben", "cleo"], "starts_on": date(2026, 1, 5), **layer}
    return Schedule(title="t", time_zone=zone, layers=[Layer.model_validate(fields)])


def at(words: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_weekly_handover_is_at_the_same_wall_clock_time_over_both_dst_changes() -> None:
    schedule = rota()
    for start, hours in ((at("2026-03-23T09:00"), 167), (at("2026-10-19T09:00"), 169), (at("2026-05-04T09:00"), 168)):
        (shift,) = list_shifts(schedule, start, start + timedelta(hours=hours))
        assert shift.person is not None
        assert on_call_at(schedule, start - timedelta(seconds=1)).person != shift.person
        end = start + timedelta(hours=hours)
        assert on_call_at(schedule, end - timedelta(seconds=1)).person == shift.person
        assert on_call_at(schedule, end).person != shift.person
        assert end.astimezone(ZoneInfo("Europe/Berlin")).hour == 9


def test_daily_turns_last_23_24_and_25_hours() -> None:
    schedule = rota(rotation="daily", handover="00:30")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)):
        start = at(f"{day}T00:30")
        shifts = list_shifts(schedule, start, start + timedelta(hours=hours + 1))
        assert shifts[0].ends_at - shifts[0].starts_at == timedelta(hours=hours)


@pytest.mark.parametrize(("clock", "first", "second"), [("02:30", "2026-03-29T03:30", "2026-10-25T02:30")])
def test_a_handover_that_dst_skips_or_repeats_happens_once(clock: str, first: str, second: str) -> None:
    schedule = rota(rotation="daily", handover=clock)
    for handover in (at(first), at(second)):
        before, after = on_call_at(schedule, handover - timedelta(seconds=1)), on_call_at(schedule, handover)
        assert before.person != after.person
        edges = [
            one.starts_at
            for one in list_shifts(schedule, handover - 12 * timedelta(hours=1), handover + timedelta(hours=12))
        ]
        assert edges[1:] == [handover]


def test_month_and_year_ends_and_leap_days_skip_nobody() -> None:
    schedule = rota(rotation="daily", handover="09:00", starts_on=date(2027, 12, 1))
    start = at("2027-12-01T09:00")
    people = [one.person for one in list_shifts(schedule, start, start + 120 * DAY)]
    assert people == [("ann", "ben", "cleo")[number % 3] for number in range(len(people))]
    assert len(people) in {120, 121}


def test_turns_of_several_weeks() -> None:
    shifts = list_shifts(rota(every=2), at("2026-01-05T09:00"), at("2026-03-30T09:00"))
    assert [one.person for one in shifts] == ["ann", "ben", "cleo", "ann", "ben", "cleo"]


@settings(deadline=None)
@given(
    st.sampled_from(ZONES),
    st.tuples(st.sampled_from(["daily", "weekly"]), st.integers(1, 3)),
    st.sampled_from(["00:00", "02:00", "02:30", "09:00", "23:59"]),
    st.datetimes(min_value=datetime(2026, 1, 10), max_value=datetime(2028, 12, 1)),  # noqa: DTZ001
    st.integers(1, 20),
)
def test_shifts_cover_every_instant_and_say_what_asking_says(
    zone: str, turn: tuple[str, int], handover: str, start: datetime, days: int
) -> None:
    schedule = rota(zone, rotation=turn[0], every=turn[1], handover=handover)
    begin = start.replace(microsecond=0, tzinfo=UTC)
    shifts = list_shifts(schedule, begin, begin + days * DAY)
    assert (shifts[0].starts_at, shifts[-1].ends_at) == (begin, begin + days * DAY)
    assert all(one.ends_at == other.starts_at for one, other in pairwise(shifts))
    assert all(one.person != other.person for one, other in pairwise(shifts))
    order = ["ann", "ben", "cleo"]
    for one in shifts:
        middle = one.starts_at + (one.ends_at - one.starts_at) / 2
        for instant in (one.starts_at, middle, one.ends_at - timedelta(seconds=1)):
            assert on_call_at(schedule, instant).person == one.person
    for one, other in pairwise(shifts):
        assert order.index(str(other.person)) == (order.index(str(one.person)) + 1) % 3, (
            "turns in order, nobody skipped"
        )


@settings(deadline=None)
@given(st.integers(0, 40 * 24), st.integers(1, 200), st.integers(0, 40 * 24), st.integers(1, 200))
def test_overrides_win_and_the_last_made_wins_over_others(first: int, long: int, second: int, longer: int) -> None:
    schedule, base = rota(), at("2026-03-01T00:00")
    hour = timedelta(hours=1)
    overrides = [
        Override(1, "s", "dora", base + first * hour, base + (first + long) * hour),
        Override(2, "s", "emil", base + second * hour, base + (second + longer) * hour),
    ]
    for one in list_shifts(schedule, base, base + 42 * DAY, overrides=overrides):
        middle = one.starts_at + (one.ends_at - one.starts_at) / 2
        standing = [other.person for other in overrides if other.starts_at <= middle < other.ends_at]
        assert one.person == (standing[-1] if standing else on_call_at(schedule, middle).person)


def test_the_first_layer_that_has_somebody_decides() -> None:
    office = {"days": ["MON", "TUE", "WED", "THU", "FRI"], "begin": "09:00", "end": "17:00"}
    night = {"begin": "22:00", "end": "06:00"}
    layers = [
        Layer.model_validate({"people": ["ann"], "starts_on": date(2026, 1, 5), "hours": [office]}),
        Layer.model_validate({"people": ["nora"], "starts_on": date(2026, 1, 5), "hours": [night]}),
    ]
    schedule = Schedule(title="t", time_zone="Europe/Berlin", layers=layers)
    assert on_call_at(schedule, at("2026-03-09T10:00")).person == "ann"
    assert on_call_at(schedule, at("2026-03-09T23:00")).person == "nora"
    assert on_call_at(schedule, at("2026-03-10T05:59")).person == "nora", "over midnight"
    gaps = list_gaps(schedule, at("2026-03-09T00:00"), at("2026-03-10T00:00"))
    spans = [(one.starts_at.hour + 1, one.ends_at.hour + 1) for one in gaps]  # Berlin is UTC+1 then
    assert spans == [(6, 9), (17, 22)]
    both = Schedule(title="t", layers=[*layers, Layer(people=["ben"], starts_on=date(2026, 1, 5))])
    assert list_gaps(both, at("2026-03-09T00:00"), at("2026-03-23T00:00")) == []


def test_before_its_start_a_rotation_has_nobody() -> None:
    gaps = list_gaps(rota(starts_on=date(2026, 3, 4)), at("2026-03-01T00:00"), at("2026-03-10T00:00"))
    assert [(one.starts_at, one.ends_at) for one in gaps] == [(at("2026-03-01T00:00"), at("2026-03-04T09:00"))]


@pytest.mark.parametrize(
    "wrong",
    [
        {"handover": "24:00"},
        {"people": []},
        {"people": ["A B"]},
        {"every": 0},
        {"handover_day": "FUNDAY"},
        {"colour": "red"},
    ],
)
def test_wrong_layers_do_not_parse(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        rota(**wrong)


def test_a_time_zone_that_does_not_exist() -> None:
    with pytest.raises(ValidationError, match="no such time zone"):
        rota("Europe/Atlantis")


def test_the_calendar_is_one_that_calendars_read() -> None:
    schedule = rota(starts_on=date(2026, 3, 4))
    shifts = list_shifts(schedule, at("2026-03-01T00:00"), at("2026-03-23T09:00"))
    words = render_ical("primary", shifts, title="Erste Linie; Daten, Übergabe " * 4, now=at("2026-03-01T00:00"))
    lines = words.split("\r\n")
    assert (lines[0], lines[-2], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR", "")
    assert all(len(line.encode()) <= 75 for line in lines)
    unfolded = words.replace("\r\n ", "")
    assert unfolded.count("BEGIN:VEVENT") == unfolded.count("END:VEVENT") == len(shifts)
    assert "DTSTART:20260304T080000Z" in unfolded
    assert "nobody on call" in unfolded
    assert "Linie\\; Daten\\," in unfolded
