"""Holidays as a user names them: a file of dates or the code of a country."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from domain.errors import InputDataError


def load_holidays(wanted: str, *, years: range) -> frozenset[date]:
    """The days of a file, one ISO date a line, or the public holidays of a country in these years.

    Raises:
        InputDataError: neither a file nor a known country, or a line that is no date.

    """
    path = Path(wanted)
    if path.is_file():
        return _load_file(path)
    import holidays

    try:
        return frozenset(holidays.country_holidays(wanted.upper(), years=list(years)))
    except NotImplementedError:
        raise InputDataError(
            f"{wanted}: neither a file nor a country whose holidays are known",
            suggestion="name a file with one date a line, such as 2031-12-25, or a country such as DE",
        ) from None


def _load_file(path: Path) -> frozenset[date]:
    days = set()
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        text = line.strip()
        try:
            days |= {date.fromisoformat(text)} if text else set()
        except ValueError:
            raise InputDataError(
                f"{path}, line {number}: {text[:80]!r} is no date",
                suggestion="write one date a line, such as 2031-12-25",
                file=str(path),
                line=number,
            ) from None
    return frozenset(days)
