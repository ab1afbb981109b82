"""Colours shared by screen and paper; told apart by readers who do not see red and green, and always beside a word."""

from __future__ import annotations

from typing import Final

from domain.reporting.report import Verdict

LINES: Final = ("#2f6db5", "#c8741a", "#2a8c74", "#a8478f", "#6b7a8f", "#8a6d1d")
VERDICTS: Final = {
    Verdict.GOOD: "#1d7f4f",
    Verdict.WATCH: "#a86a00",
    Verdict.BAD: "#c0342b",
    Verdict.UNKNOWN: "#66707c",
}
MARKS: Final = {Verdict.GOOD: "●", Verdict.WATCH: "▲", Verdict.BAD: "■", Verdict.UNKNOWN: "○"}
TARGET: Final = "#66707c"
