"""`make bench`: every benchmark of this folder, one table, the peer beside our figure. Names of benchmarks limit the run.

Example: python -m tests.benchmarks lake push
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

_MARKS = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "–"}


def main(chosen: list[str]) -> int:
    """Run and print; exit code 1 when a target was missed."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    wanted = [name for name in names if not chosen or name.removeprefix("bench_") in chosen]
    console, is_missed = Console(width=170, highlight=False), False
    for name in wanted:
        module = import_module(f"tests.benchmarks.{name}")
        with console.status(f"{module.TITLE} …"):
            rows = module.run()
        table = Table(title=module.TITLE, title_justify="left", box=None, header_style="bold", expand=False)
        for column in ("work", "ours", "peer", "target", ""):
            table.add_column(column, overflow="fold")
        for row in rows:
            met = None if row["met"] is None else bool(row["met"])  # numpy's False is not False
            table.add_row(row["work"], row["ours"], row["peer"], row["target"], _MARKS[met])
            is_missed |= met is False
        console.print(table)
        console.print()
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
