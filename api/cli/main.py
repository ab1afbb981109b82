"""Entry point of `etlmon`: a table of commands, each imported only when it is called, so that every command starts fast.

Adding a command: write `api/cli/<name>.py` with `app = typer.Typer(...)` and add a line to COMMANDS.
Exit codes: 0 done, 1 the command ran and the answer is bad, 2 wrong use, bad input or a failure.
"""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from importlib.metadata import version

from domain.errors import EtlmonError

#: name → (module, one-line help). The help stands here so that `etlmon --help` imports nothing.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("api.cli.up", "Start the platform in the foreground (--demo adds the synthetic estate)."),
    "status": ("api.cli.status", "Show what runs, how fresh each loader is, what failed last."),
    "doctor": ("api.cli.doctor", "Find misconfigurations and say how to mend each."),
    "capture": ("api.cli.capture", "Capture due windows now, or a past range again."),
    "query": ("api.cli.query", "Run SQL on the lake."),
    "score": ("api.cli.score", "Anomaly scores of the series in a file."),
    "forecast": ("api.cli.forecast", "Forecasts of the series in a file."),
    "capacity": ("api.cli.capacity", "Dates at which the gauges in a file reach a limit."),
    "templates": ("api.cli.templates", "Log templates of the lines in a file."),
    "report": ("api.cli.report", "Write the weekly, monthly or SLA report as HTML and PDF."),
    "simulate": ("api.cli.simulate", "Faults of the synthetic estate: list them, start one, stop it."),
    "user": ("api.cli.user", "Users, roles, sessions and API tokens: list, add, change, disable, unlock."),
    "loader": (
        "api.cli.loader",
        "Loader versions: list, diff, edit, submit, approve, roll back, Excel import and export.",
    ),
    "on-call": ("api.cli.on_call", "Who is on call: now, the coming days, gaps, overrides."),
    "notify": ("api.cli.notify", "Messages: list, dead letters, replay, test a channel."),
    "incident": ("api.cli.incident", "Incidents: list, show, act, split and merge; how fast they end, SLA report."),
    "alert": ("api.cli.alert", "Alerts: list, show, say whether one was right, precision of the rules."),
    "silence": ("api.cli.silence", "Who does not want to hear of what: add, preview, list, end."),
    "maintenance": ("api.cli.maintenance", "Planned work, once or recurring: add, preview, list, end."),
    "allow": ("api.cli.allow", "The allow-list of noisy metrics: recorded, never told. Add, list, remove."),
    "drill": ("api.cli.drill", "Exercises: make something fail on purpose, see who is told and how fast."),
    "ticket": ("api.cli.ticket", "Tickets of incidents in Jira: list, show, bring up to date, try again."),
    "why": ("api.cli.why", "Why somebody was or was not paged for an alert or incident."),
    "rules": ("api.cli.rules", "Detection rules: test their cases, list, run over the past, import from Prometheus."),
    "audit": ("api.cli.audit", "Who changed what: list, show, export, verify that nobody tampered with it."),
    "keys": ("api.cli.keys", "Encryption and signing keys: list, rotate while everything runs, prune."),
    "backup": ("api.cli.backup", "Write a consistent copy of records and lake."),
    "restore": ("api.cli.restore", "Bring a backup into an empty home."),
}


_EXAMPLES = ("etlmon up --demo", "etlmon status", 'etlmon query "SELECT * FROM capture_ledger LIMIT 5"')


def main(arguments: list[str] | None = None) -> None:
    """Run one command; ends the process with its exit code.

    An error of our tree is shown as type, reason and suggestion on stderr, with exit code 2.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in {"-h", "--help", "help"}:
        print(_help())
        sys.exit(0 if given else 2)
    if given[0] == "--version":
        print(f"etlmon {version('etlmon')}")
        sys.exit(0)
    if given[0] not in COMMANDS:
        near = difflib.get_close_matches(given[0], COMMANDS, n=1)
        hint = f"did you mean `etlmon {near[0]}`?" if near else "`etlmon --help` lists the commands"
        sys.exit(_fail(f"no command {given[0]!r}: {hint}"))
    command = import_module(COMMANDS[given[0]][0]).app
    try:
        command(args=given[1:], prog_name=f"etlmon {given[0]}")
    except EtlmonError as error:
        from resources.secret_registry import mask_error

        mask_error(error)
        sys.exit(_fail(f"{error.error_type}: {error.reason}\n  → {error.suggestion}"))
    except BrokenPipeError:  # the reader of a pipe had enough
        sys.stderr.close()
        sys.exit(0)


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 2


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items())
    examples = "\n".join(f"  {example}" for example in _EXAMPLES)
    return (
        "Usage: etlmon COMMAND [OPTIONS]\n\nETL monitoring: capture, baselines, forecasts, anomalies, reports.\n\n"
        f"Commands:\n{commands}\n\nExamples:\n{examples}\n\n`etlmon COMMAND --help` explains one command."
    )
