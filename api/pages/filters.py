"""What the addresses and forms of lists say: words of closed sets, instants, numbers. What makes no sense is as if it were not there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from fastapi import Request

Word = TypeVar("Word", bound=StrEnum)
_LONGEST = 256


def read_text(request: Request, name: str) -> str:
    """A parameter of the address as one line; empty when it was not given."""
    given = request.query_params.get(name, "")[:_LONGEST]
    return "".join(one for one in given if one.isprintable()).strip()


def read_words(given: Iterable[str], words: type[Word]) -> list[Word]:
    """Those of the set, in its order."""
    wanted = set(given)
    return [one for one in words if one.value in wanted]


def read_word(given: str, words: type[Word]) -> Word | None:
    """One of the set; None where it is none of it."""
    return words(given) if given in set(words) else None


def read_number(given: str, *, most: int = 2**63 - 1) -> int | None:
    """A number from 1 to `most`; None where it is none."""
    is_number = given.isascii() and given.isdigit() and len(given) <= len(str(most))
    return int(given) if is_number and 1 <= int(given) <= most else None


def read_instant(given: str) -> datetime | None:
    """A date or instant as a form sends it, read as UTC; None where it is none."""
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
