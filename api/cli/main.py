"""Entry point of `etlmon`: a table of commands, each imported only when it is called, so that every command starts fast.

Adding a command: write `api/cli/<name>.py` with `app = typer.Typer(...)` and add a line to COMMANDS.
Exit codes: 0 done, 1 the command ran and the answer is bad, 2 wrong use, bad input or a failure.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click
import typer.main

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
    "backup": ("api.cli.backup", "Write a consistent copy of records and lake."),
    "restore": ("api.cli.restore", "Bring a backup into an empty home."),
}


class LazyGroup(click.Group):
    """Looks commands up in COMMANDS and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog="etlmon COMMAND --help")
@click.version_option(package_name="etlmon")
def cli() -> None:
    """ETL monitoring, analytics-first: capture, baselines, forecasts, anomalies, reports."""


def main() -> None:
    """Run the command line; an error of our tree ends with its reason and suggestion on stderr and exit code 2."""
    try:
        cli(standalone_mode=True)
    except EtlmonError as error:
        click.echo(f"{error.error_type}: {error.reason}\n  → {error.suggestion}", err=True)
        sys.exit(2)
