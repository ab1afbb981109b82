"""How `etlmon incident` writes incidents, their clocks and figures as lines of text."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.pages.shown import show_ago, show_duration

if TYPE_CHECKING:
    from domain.incidents.compliance import ComplianceReport
    from domain.incidents.measures import Measured
    from resources.incidents.listing import IncidentRow
    from resources.incidents.reading import ClockState, IncidentDetail, TimelineEntry


def render_line(row: IncidentRow, *, now: datetime) -> str:
    """An incident in a list."""
    has = row.assignee or row.acknowledged_by or "NOBODY"
    marks = [name for name, is_so in (("drill", row.is_drill), ("SLA missed", row.is_breached)) if is_so]
    marks += [f"snoozed until {_at(row.snoozed_until)}"] if row.snoozed_until else []
    age = show_ago(row.opened_at, now=now)
    alerts = f"{row.firing}/{row.alerts} firing"
    words = f"{row.code:<10} {row.severity.value:<8} {row.state.value:<13} {age:<12} {has:<16} {alerts:<14} {row.title}"
    return f"{words}  [{', '.join(marks)}]" if marks else words


def print_head(found: IncidentDetail, *, now: datetime) -> None:
    """An incident without its long lists."""
    row = found.row
    print(render_line(row, now=now))
    print(f"  {row.summary}")
    print(f"  began {_at(row.onset_at)}, opened {_at(row.opened_at)}; revision {row.revision}")
    if row.merged_into:
        print(f"  merged into INC-{row.merged_into}")
    if found.merged_from:
        print(f"  merged from {', '.join(f'INC-{one}' for one in found.merged_from)}")
    for clock in found.clocks:
        spent = f"{show_duration(clock.spent_s)} of {show_duration(clock.target_s)}"
        print(f"  {clock.measure.value:<12} {spent}  {_stand(clock)}")
    if found.escalation:
        due = found.escalation.due_at
        print(f"  escalation   {f'next step {_at(due)}' if due else found.escalation.stopped_reason or 'over'}")
    if found.ticket:
        print(f"  ticket       {found.ticket.key or 'asked for'} {found.ticket.status or ''}")
    print(f"  possible now: {', '.join(one.value for one in row.actions)}")


def _stand(clock: ClockState) -> str:
    words = ["MISSED"] if clock.is_missed else []
    if clock.left_s is None:
        return ", ".join([*words, "stopped"])
    words.append(f"{show_duration(abs(clock.left_s))} {'left' if clock.left_s > 0 else 'over'}")
    return ", ".join(words if clock.is_running else [*words, "paused"])


def render_entry(entry: TimelineEntry) -> str:
    """An entry of a timeline."""
    moved = f"{entry.from_state} → {entry.to_state}" if entry.from_state != entry.to_state and entry.from_state else ""
    detail = " ".join(f"{name}={_short(value)}" for name, value in entry.detail.items())
    return f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor} ({entry.cause})  {entry.kind}  {moved} {detail}".rstrip()


def render_measured(one: Measured) -> str:
    """A line of the measures: median / 90th percentile (faults)."""
    name = "drills" if one.is_drill else one.severity.value if one.severity else "all"
    parts = [
        f"{duration.value} {show_duration(found.median_s)} / {show_duration(found.p90_s)} ({found.count})"
        if found.median_s is not None
        else f"{duration.value} –"
        for duration, found in one.durations.items()
    ]
    return f"{name:<9} {one.faults:>4} faults  {'   '.join(parts)}"


def print_report(found: ComplianceReport) -> None:
    """SLA targets by severity and measure, then the worst misses."""
    for one in found.lines:
        share = "     –" if one.met_pct is None else f"{one.met_pct:5.1f} %"
        missed = (
            f"{one.met:>5} met {one.missed:>5} missed {one.missed_open:>5} missed and open {one.undecided:>5} undecided"
        )
        print(f"{one.severity.value if one.severity else 'all':<9} {one.measure.value:<12} {share:>7} {missed}")
    for miss in found.worst:
        over = f"{show_duration(miss.over_s)} over {show_duration(miss.target_s)}"
        print(
            f"INC-{miss.incident_id:<7} {miss.severity.value:<8} {miss.measure.value:<12} {over}  {_short(miss.title)}"
        )


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC" if instant else "–"


def _short(value: Any) -> str:
    words = "".join(one if one.isprintable() else " " for one in str(value))
    return words if len(words) <= 120 else f"{words[:119]}…"
