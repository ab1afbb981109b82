"""What a form of ours sent: one reader for all pages, so that a missing field is an empty text and never a JSON error."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from api.pages.filters import read_instant
from domain.errors import InputDataError

Word = TypeVar("Word", bound=StrEnum)


class PostedForm:
    """Fields by name. Texts are trimmed except where white space means something."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def text(self, name: str, *, is_trimmed: bool = True) -> str:
        """The field, empty when it was not sent."""
        value = self._data.get(name, "")
        given = value if isinstance(value, str) else ""
        return given.strip() if is_trimmed else given.replace("\r\n", "\n")

    def texts(self, name: str) -> list[str]:
        """All values of a field that may be sent several times."""
        return [one for one in self._data.getlist(name) if isinstance(one, str)]

    def number(self, name: str, *, fallback: int = 0) -> int:
        """A whole number, the fallback where it is none."""
        given = self.text(name)
        return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else fallback

    def word(self, name: str, words: type[Word]) -> Word:
        """One of a closed set.

        Raises:
            InputDataError: it is none of it; the suggestion lists them.
        """
        given = self.text(name)
        if given not in set(words):
            raise InputDataError(f"{given[:40]!r} is no {name}", suggestion=f"choose one of {', '.join(words)}")
        return words(given)

    def instant(self, name: str) -> datetime | None:
        """An instant, read as UTC; None where the field is empty.

        Raises:
            InputDataError: it is written and none.
        """
        given = self.text(name)
        found = read_instant(given)
        if given and found is None:
            raise InputDataError(f"{given[:40]!r} is no instant", suggestion="write 2026-11-01T06:00, in UTC")
        return found

    def is_checked(self, name: str) -> bool:
        """A ticked box."""
        return bool(self.text(name))

    def file(self, name: str) -> UploadFile | None:
        """A chosen file; None when none was."""
        value = self._data.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def values(self) -> dict[str, str]:
        """Every text, to show the form again as it was typed."""
        return {name: value.replace("\r\n", "\n") for name, value in self._data.items() if isinstance(value, str)}


async def _read(request: Request) -> PostedForm:
    data = await request.form()
    if any("\x00" in value for value in data.values() if isinstance(value, str)):
        raise InputDataError("a field contains a null character", suggestion="remove it")
    return PostedForm(data)


Posted = Annotated[PostedForm, Depends(_read)]
