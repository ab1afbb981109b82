"""`etlmon why`: an alert's or incident's story, and who was paged for it or why nobody was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, help="Why somebody was or was not paged.")


@app.command(
    help="The story of an alert (its number) or an incident (INC-12345) in sentences.\n\n"
    "Example: etlmon why 4711\n\nExample: etlmon why INC-12"
)
def why(
    subject: Annotated[str, typer.Argument(metavar="ALERT|INC-…", help="an alert's number or an incident's code")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable result on stdout")] = False,
    user: Annotated[str | None, typer.Option("--user", help="act as this user; asks for the password")] = None,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
) -> None:
    """See the decorator: the help has an example."""
    from api.cli.acting import open_control, permitted
    from resources.alerts.why import explain
    from resources.postgres.engine import transaction

    with open_control(home) as control:
        permitted(control, user, "alerts", "read")
        with transaction(control.engine) as connection:
            sentences = explain(connection, subject)
    print(json.dumps({"sentences": sentences}) if as_json else "\n".join(sentences))
