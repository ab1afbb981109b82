"""What the terminal shows while the platform starts: one line per step with its state and seconds; plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_MARKS = {"waiting": ("·", "dim"), "running": ("…", "yellow"), "done": ("✓", "green"), "failed": ("✗", "red")}


@dataclass(slots=True)
class _Step:
    title: str
    state: str = "waiting"
    detail: str = ""
    started: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Display:
    """A list of steps. On a terminal it is drawn live; in a pipe every change of state is a line."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    steps: dict[str, _Step] = field(default_factory=dict)
    live: Live | None = None
    began: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            self.live = Live(self._render(), console=self.console, refresh_per_second=4, get_renderable=self._render)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
            self.live = None

    def plan(self, *titles: str) -> None:
        """Announce steps, so that the reader sees what is still to come."""
        for title in titles:
            self.steps.setdefault(title, _Step(title))

    def begin(self, title: str, detail: str = "") -> None:
        """A step is being worked on."""
        step = self.steps.setdefault(title, _Step(title))
        step.state, step.detail, step.started = "running", detail, time.monotonic()
        self._line(step)

    def update(self, title: str, detail: str) -> None:
        """What the step is doing; shown live only."""
        self.steps[title].detail = detail

    def done(self, title: str, detail: str = "") -> None:
        """A step ended well."""
        self._end(title, "done", detail)

    def failed(self, title: str, detail: str) -> None:
        """A step did not."""
        self._end(title, "failed", detail)

    def note(self, text: str) -> None:
        """A line for the reader, above the steps."""
        self.console.print(text)

    def _end(self, title: str, state: str, detail: str) -> None:
        step = self.steps.setdefault(title, _Step(title))
        step.seconds = time.monotonic() - (step.started or time.monotonic())
        step.state, step.detail = state, detail
        self._line(step)

    def _line(self, step: _Step) -> None:
        if self.live is None:
            mark, _ = _MARKS[step.state]
            seconds = f" ({step.seconds:.1f} s)" if step.state in {"done", "failed"} else ""
            self.console.print(
                f"[{time.monotonic() - self.began:6.1f} s] {mark} {step.title}{seconds} {step.detail}".rstrip(),
                markup=False,
            )

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for step in self.steps.values():
            mark, style = _MARKS[step.state]
            seconds = (
                step.seconds
                if step.state in {"done", "failed"}
                else time.monotonic() - step.started
                if step.started
                else 0.0
            )
            took = f"{seconds:.1f} s" if step.state != "waiting" else ""
            table.add_row(
                Text(mark, style),
                Text(step.title, "dim" if step.state == "waiting" else ""),
                Text(took, "dim"),
                Text(step.detail, "dim"),
            )
        return table
