"""`etlmon simulate`: faults of the synthetic estate, with known ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from resources.simulator.control_client import ControlClient

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Faults of the synthetic estate: list them, start one, stop it, see the ground truth.\n\n"
    "Example: etlmon simulate fault slow-database --for 10m",
)
Home = Annotated[Path | None, typer.Option(help="home of the platform")]
Json = Annotated[bool, typer.Option("--json", help="write JSON")]


@app.command("fault", help="Start a fault.\n\nExample: etlmon simulate fault slow-database --for 10m --at +5m")
def start_fault(
    name: Annotated[str, typer.Argument(help="name of the fault; see `etlmon simulate list`")],
    for_: Annotated[
        str | None, typer.Option("--for", help="how long, e.g. 10m; the fault's own default otherwise")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="onset: ISO instant, +5m or -2h; now otherwise")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """See the decorator: the help has an example."""
    from resources.clock import utc_now
    from resources.simulator.moments import parse_duration_s, parse_moment_s

    at_s = parse_moment_s(at, now_s=utc_now().timestamp()) if at else None
    client = _open_client(home)
    window = client.start(name, at_s=at_s, for_s=parse_duration_s(for_) if for_ else None)
    if as_json:
        _print_json({**window, "via": client.via})
        return
    print(f"{window['name']} on {window['target']}: {window['started_at']} to {window['ended_at']} ({window['state']})")
    print(f"written through {client.via}")
    if at_s is not None and at_s < utc_now().timestamp():
        print("the onset is in the past: statistics captured before now keep what they saw; capture the range again")


@app.command("stop", help="End a fault now.\n\nExample: etlmon simulate stop slow-database")
def stop_fault(
    name: Annotated[str, typer.Argument(help="name of an active or planned fault")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """See the decorator: the help has an example."""
    client = _open_client(home)
    windows = client.stop(name)
    if as_json:
        _print_json({"stopped": windows, "via": client.via})
        return
    for window in windows:
        print(
            f"{window['name']} on {window['target']}: {window['started_at']} to {window['ended_at']} ({window['state']})"
        )
    print(f"written through {client.via}")


@app.command(
    "list", help="All faults: what each does, whom it hits, which signals move.\n\nExample: etlmon simulate list --json"
)
def list_faults(as_json: Json = False) -> None:
    """See the decorator: the help has an example."""
    faults = _open_client(None).list_faults()
    if as_json:
        _print_json(faults)
        return
    for fault in faults:
        print(f"{fault['name']:20} {fault['title']}  [{fault['target']}]")
        print(f"{'':20} moves: {', '.join(fault['signals'])}")


@app.command(
    "active",
    help="Ground truth: active and planned faults; --all adds past ones.\n\nExample: etlmon simulate active --all --json",
)
def show_active(
    home: Home = None,
    as_json: Json = False,
    is_all: Annotated[
        bool, typer.Option("--all", help="also faults that are over, the seeded history included")
    ] = False,
) -> None:
    """See the decorator: the help has an example."""
    windows = [window for window in _open_client(home).ground_truth() if is_all or window["state"] != "over"]
    if as_json:
        _print_json(windows)
        return
    for window in windows:
        print(
            f"{window['started_at']} to {window['ended_at']}  {window['state']:7} {window['name']}  [{window['target']}]"
        )
    if not windows:
        print("no fault is active")


def _open_client(home: Path | None) -> ControlClient:
    from resources.settings import load_settings
    from resources.simulator.control_client import ControlClient

    return ControlClient(load_settings(home=home).home)


def _print_json(content: Any) -> None:
    import orjson

    print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
