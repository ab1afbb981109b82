"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is, what was seen, and what to do about it (empty when all is well)."""

    check: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, detail)


def warning(check: str, detail: str, remedy: str) -> Finding:
    """It works, and will hurt later."""
    return Finding(check, Verdict.WARNING, detail, remedy)


def problem(check: str, detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.PROBLEM, detail, remedy)
