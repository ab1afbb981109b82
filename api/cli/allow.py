"""`etlmon allow`: the allow-list of noisy metrics: what is recorded and never told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.cli.acting import open_control, permitted
from api.cli.muting import describe_matchers, parse_written

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The allow-list: what may be noisy without telling anybody.\n\nExample: etlmon allow list",
)

Home = Annotated[Path | None, typer.Option(help="home of the platform")]
User = Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")]
RuleId = Annotated[str, typer.Argument(metavar="RULE", help="a rule's id; * for all of them")]
Matchers = Annotated[list[str] | None, typer.Argument(metavar="[MATCHER…]", help="only alerts with these labels")]


@app.command(
    help="Put a noisy metric on the list; doing it again changes the reason.\n\n"
    'Example: etlmon allow add node-cpu-high node=batch-1 --reason "it is meant to be busy"'
)
def add(
    rule_id: RuleId,
    matchers: Matchers = None,
    *,
    reason: Annotated[str, typer.Option(help="why; others read it")],
    user: User = None,
    home: Home = None,
) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices
    from resources.clock import utc_now

    with open_control(home) as control:
        caller = permitted(control, user, "silences", "act")
        raw = parse_written(matchers or [])
        AlertServices(control).silences.allow(rule_id, raw, reason=reason, actor=caller.username, now=utc_now())
    print(f"{rule_id} with {describe_matchers(raw)} tells nobody any more")


@app.command("list", help="What is on the list.\n\nExample: etlmon allow list --json")
def list_(as_json: AsJson = False, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices

    with open_control(home) as control:
        permitted(control, user, "silences", "read")
        rows = AlertServices(control).silences.list_allowed()
    if as_json:
        print(json.dumps(rows, default=str))
        return
    for row in rows:
        when = f"{row['created_at']:%Y-%m-%d}"
        print(
            f"{row['rule_id']:<30}  {describe_matchers(row['matchers'])}  – {row['created_by']}, {when}: {row['reason']}"
        )
    if not rows:
        print("the allow-list is empty")


@app.command(help="Take an entry off the list.\n\nExample: etlmon allow remove node-cpu-high node=batch-1")
def remove(rule_id: RuleId, matchers: Matchers = None, *, user: User = None, home: Home = None) -> None:
    """See the decorator: the help has an example."""
    from resources.alerts.services import AlertServices

    with open_control(home) as control:
        caller = permitted(control, user, "silences", "act")
        AlertServices(control).silences.disallow(rule_id, parse_written(matchers or []), actor=caller.username)
    print(f"{rule_id} tells again")
