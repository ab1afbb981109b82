"""`etlmon loader`: loaders and their versions from the command line. This file reads; `loader_changes` changes (A6, A7)."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from api.cli.loader_changes import register_changes
from api.cli.loader_options import AsJson, AsUser, Code, Home, VersionOption, choose_version
from domain.vocabulary import SourceKind, VersionState

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Loaders and their versions: draft, submit, approve, roll back.\n\nExample: etlmon loader list --state PENDING",
)
register_changes(app)


@app.command("list", help="Loaders with their versions.\n\nExample: etlmon loader list --search db --json")
def list_loaders(
    *,
    search: Annotated[str, typer.Option(help="part of code or title")] = "",
    state: Annotated[VersionState | None, typer.Option(help="has a version in this state")] = None,
    source: Annotated[SourceKind | None, typer.Option(help="kind of source")] = None,
    owner: Annotated[str, typer.Option(help="owner")] = "",
    sort: Annotated[str, typer.Option(help="code, title, owner, updated_at …; `-` reverses")] = "code",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many")] = 1_000,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "read")
        page = control.loaders.list_loaders(
            search=search, state=state, source=source.value if source else "", owner=owner, sort=sort, limit=limit
        )
        items = control.policies.show("loaders", page.items, caller.role)
    if as_json:
        print(json.dumps({"items": items, "total": page.total}, default=str))
        return
    columns = (
        "code",
        "title",
        "owner",
        "source",
        "schedule",
        "state",
        "active_version",
        "draft_version",
        "pending_versions",
    )
    _table(columns, items)
    print(f"{len(items)} of {page.total} loaders")


@app.command(
    help="One version as YAML that `edit` takes back; masked values mean unchanged.\n\nExample: etlmon loader show ORDERS-DB"
)
def show(
    code: Code, *, version: VersionOption = None, as_json: AsJson = False, user: AsUser = None, home: Home = None
) -> None:
    """See the decorator. Without --version the ACTIVE one, else the newest."""
    import yaml

    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "read")
        record = control.loaders.get(
            code, choose_version(control, code, version, VersionState.ACTIVE, is_newest_good=True)
        )
        document = control.policies.show("loaders", record.document, caller.role)
    facts = {
        "code": record.code, "version": record.version, "state": record.state.value, "revision": record.revision,
        "contentHash": record.content_hash, "authors": list(record.authors), "submittedBy": record.submitted_by,
        "decidedBy": record.decided_by, "decision": record.decision, "reason": record.decision_reason,
        "actions": [one.value for one in record.actions],
    }  # fmt: skip
    if as_json:
        print(json.dumps({**facts, "definition": document}, default=str))
        return
    for name, value in facts.items():
        if value not in (None, []):
            print(f"# {name}: {', '.join(value) if isinstance(value, list) else value}")
    print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")


@app.command(help="Versions of a loader, the newest first.\n\nExample: etlmon loader versions ORDERS-DB")
def versions(code: Code, *, as_json: AsJson = False, user: AsUser = None, home: Home = None) -> None:
    """See the decorator."""
    from api.cli.acting import open_control, permitted

    with open_control(home) as control:
        permitted(control, user, "loaders", "read")
        records, _ = control.loaders.list_versions(code, limit=100_000)
    rows = [
        {
            "version": one.version, "state": one.state.value, "revision": one.revision, "authors": ", ".join(one.authors),
            "submitted_by": one.submitted_by, "decided_by": one.decided_by,
            "decision": one.decision.value if one.decision else None, "updated_at": one.updated_at,
        }
        for one in records
    ]  # fmt: skip
    print(json.dumps(rows, default=str)) if as_json else _table(tuple(rows[0]), rows)


@app.command(help="What changed between two versions, in words.\n\nExample: etlmon loader diff ORDERS-DB 1 2")
def diff(
    code: Code,
    before: Annotated[int, typer.Argument(metavar="FROM", min=1)],
    after: Annotated[int, typer.Argument(metavar="TO", min=1)],
    *,
    as_json: AsJson = False,
    user: AsUser = None,
    home: Home = None,
) -> None:
    """See the decorator. Exit code 1 when they differ, as `diff` does."""
    from dataclasses import asdict

    from api.cli.acting import open_control, permitted
    from domain.loaders.definition import document_of
    from domain.loaders.diff import compute_diff

    with open_control(home) as control:
        caller = permitted(control, user, "loaders", "read")
        old, new = (document_of(control.loaders.get(code, one).definition) for one in (before, after))
        changes = compute_diff(old, new, control.policies.effects("loaders", caller.role))
    if as_json:
        print(json.dumps([asdict(one) for one in changes], default=str))
    else:
        for one in changes:
            print(f"{one.group.value:<11} {_plain(one.sentence)}")
            for line in one.lines:
                print(f"{'':<11}   {_plain(line)}")
    raise typer.Exit(1 if changes else 0)


@app.command(
    help="What a version would capture now; nothing is stored.\n\nExample: etlmon loader preview ORDERS-DB --version 3"
)
def preview(
    code: Code, *, version: VersionOption = None, as_json: AsJson = False, user: AsUser = None, home: Home = None
) -> None:
    """See the decorator. Exit code 1 when the source did not answer."""
    from dataclasses import asdict

    from api.cli.acting import open_control, permitted
    from resources.clock import utc_now

    with open_control(home) as control:
        permitted(control, user, "loaders", "preview")
        chosen = choose_version(control, code, version, VersionState.DRAFT, is_newest_good=True)
        found = control.preview_loader(code, chosen, at=utc_now())
        control.impact.close()
    document = {**asdict(found), "error": found.error.as_dict() if found.error else None}
    if as_json:
        print(json.dumps(document, default=str))
    else:
        for name, value in document.items():
            if value not in (None, [], {}) and name != "sample":
                print(f"{name.replace('_', ' '):<24} {_plain(str(value))}")
    raise typer.Exit(1 if found.error else 0)


def _register_workbooks() -> None:
    """Heavy libraries of the two are imported when they run."""
    from api.cli.loader_workbook import EXPORT_HELP, IMPORT_HELP, export_workbook, import_workbook

    app.command("export", help=EXPORT_HELP)(export_workbook)
    app.command("import", help=IMPORT_HELP)(import_workbook)


_register_workbooks()


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(name.replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 180).print(table)


def _cell(value: Any) -> str:
    if value in (None, []):
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else _plain(str(value))


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
