"""A progress bar over named stages, on a terminal only."""

from __future__ import annotations

import sys
from typing import Self


class StageProgress:
    """Called with (stage, steps done, steps in all, None where that is not known); silent where stderr is no terminal."""

    def __init__(self, *, is_shown: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        is_live = is_shown and sys.stderr.isatty()
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True) if is_live else None
        self._task = self._bar.add_task("starting", total=None) if self._bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=stage, completed=done, total=total)
