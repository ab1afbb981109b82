"""`etlmon alert`: alerts and what people say of them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.detection.alert_event import AlertStatus

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Alerts: list, show, judge; precision of the rules.\n\nExample: etlmon alert list",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
AlertId = Annotated[int, typer.Argument(min=1, help="number of the alert")]


class Said(StrEnum):
    """Short words for the two verdicts."""

    TRUE = "true"
    FALSE = "false"


@app.command("list", help="The newest alerts.\n\nExample: etlmon alert list --status FIRING --rule api-latency-p99")
def list_(
    *,
    status: Annotated[AlertStatus | None, typer.Option(case_sensitive=False, help="FIRING or RESOLVED")] = None,
    rule: Annotated[str | None, typer.Option(help="only of this rule")] = None,
    held_back: Annotated[bool, typer.Option("--held-back", help="only those that tell nobody")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="alerts at most")] = 50,
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.listing import AlertFilter, list_alerts
    from resources.postgres.engine import transaction

    wanted = AlertFilter(status=status, rule_id=rule, is_held_back=True if held_back else None)
    with open_control(home) as control:
        permitted(control, user, "alerts", "read")
        with transaction(control.engine) as connection:
            rows = list_alerts(connection, wanted, limit=limit)
    if as_json:
        print(json.dumps(rows, default=str))
        return
    for row in rows:
        print(_line(row))
    if not rows:
        print("no alert")


@app.command(help="One alert with everything that was decided about it.\n\nExample: etlmon alert show 4711")
def show(alert_id: AlertId, as_json: AsJson = False, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.listing import get_alert
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        permitted(control, user, "alerts", "read")
        with transaction(control.engine) as connection:
            found = get_alert(connection, alert_id)
    if as_json:
        print(json.dumps(found, default=str))
        return
    print(_line(found))
    print(f"  {found['summary']}")
    print("  " + "  ".join(f"{name}={value}" for name, value in sorted(found["labels"].items())))
    for one in found["decisions"]:
        print(f"  {one['at']:%Y-%m-%d %H:%M:%S}  {one['kind']:<16}  {one['reason']}")


@app.command(help="Say whether an alert was right; the last word counts.\n\nExample: etlmon alert verdict 4711 false")
def verdict(alert_id: AlertId, said: Said, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.verdicts import Verdicts
    from resources.clock import utc_now

    with open_control(home) as control:
        caller = permitted(control, user, "alerts", "act")
        found = "TRUE_POSITIVE" if said is Said.TRUE else "FALSE_POSITIVE"
        Verdicts(control.engine, control.audit).judge(alert_id, found, actor=caller.username, now=utc_now())  # type: ignore[arg-type]
    print(f"alert {alert_id}: {'right' if said is Said.TRUE else 'a false alarm'}")


@app.command(
    help="Verdicts per rule, the least precise first, and by how much a noisy rule's threshold would have to move.\n\n"
    "Example: etlmon alert precision --days 30"
)
def precision(
    days: Annotated[int, typer.Option(min=1, max=730, help="alerts of so many days")] = 90,
    *,
    as_json: AsJson = False,
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from dataclasses import asdict

    from api.cli.acting import open_control, permitted
    from resources.alerts.verdicts import Verdicts
    from resources.clock import utc_now

    with open_control(home) as control:
        permitted(control, user, "alerts", "read")
        rules = Verdicts(control.engine, control.audit).precision(now=utc_now(), days=days)
    if as_json:
        print(json.dumps([{**asdict(one), "precision_pct": one.counts.precision_pct} for one in rules]))
        return
    for one in rules:
        share = "not judged" if one.counts.precision_pct is None else f"{one.counts.precision_pct:.0f} %"
        told = f"{one.counts.true_positives} right, {one.counts.false_positives} false"
        print(f"{one.counts.rule_id:<40} {share:>10}  {told} of {one.counts.alerts} alerts")
        for step in one.steps:
            print(
                f"    threshold {one.threshold:g} → {step.threshold:g}: spares {step.spared_false} false,"
                f" misses {step.missed_true} right ones"
            )
    if not rules:
        print("no alert within that time")


def _line(row: dict[str, Any]) -> str:
    where = f"INC-{row['incident_id']}" if row["incident_id"] else row["suppressed_by"] or "nobody told"
    times = f" ×{row['occurrences']}" if row["occurrences"] > 1 else ""
    when = f"{row['fired_at']:%Y-%m-%d %H:%M}"
    return f"{row['alert_id']:>7}  {row['status']:<8}  {row['severity']:<8}  {when}  {row['title']}{times}  [{where}]"
