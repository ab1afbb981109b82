"""Asking before a change, and making it: the two halves that every button with a consequence shares.

GET of an action's address asks (a page; with script a dialog), POST of the same address does it and leads back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import Request, Response

from api.pages.flashes import Flash
from api.pages.rendering import Crumb, go, render
from domain.errors import ConflictError, InputDataError, NotFoundError, NotPermittedError, StaleEditError

_REFUSALS = (ConflictError, InputDataError, NotFoundError, NotPermittedError, StaleEditError)


@dataclass(frozen=True, slots=True)
class QuestionField:
    """Something to choose (`options`: value and text; with `is_several` more than one) or to write."""

    name: str
    label: str
    options: Sequence[tuple[str, str]] = ()
    value: str = ""
    type: str = "text"
    hint: str = ""
    is_several: bool = False
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What will happen, said exactly. `hidden` is sent with the answer: what the reader has seen (revision, content hash).

    `reason` is the label of a text that goes with the answer; `hash` is shown so that it can be compared.
    """

    title: str
    lines: Sequence[str]
    confirm: str
    back: str
    is_dangerous: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    is_reason_needed: bool = True
    hash: str = ""
    fields: Sequence[QuestionField] = ()


def ask(request: Request, question: Question, *, crumbs: Sequence[Crumb]) -> Response:
    """The page that asks; its form posts to the address it was read from."""
    return render(request, "question.html", crumbs=[*crumbs, (question.title, "")], question=question)


def carry_out(request: Request, back: str, change: Callable[[], Flash]) -> Response:
    """Make the change and go back with what came of it; a refusal says its reason and what to do."""
    try:
        flash = change()
    except _REFUSALS as error:
        flash = Flash(_sentence(error.reason), _sentence(error.suggestion), kind="bad")
    return go(request, back, flash)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
