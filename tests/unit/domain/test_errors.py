"""The error tree as users and programs meet it: a stable unique type, a reason, a suggestion."""

from __future__ import annotations

import re

import pytest

from domain import errors
from domain.errors import EtlmonError, SourceTimeoutError


def tree(root: type[EtlmonError]) -> list[type[EtlmonError]]:
    return [root, *(one for kind in root.__subclasses__() if kind.__module__ == errors.__name__ for one in tree(kind))]


@pytest.mark.requirement("A11")
def test_every_error_has_a_type_of_its_own() -> None:
    types = [kind.error_type for kind in tree(EtlmonError)]
    assert len(types) == len(set(types)) >= 20
    assert all(re.fullmatch(r"[A-Z][A-Z_]+", one) for one in types)


@pytest.mark.requirement("A11")
@pytest.mark.parametrize("kind", tree(EtlmonError))
def test_an_error_shows_type_reason_suggestion_and_its_facts(kind: type[EtlmonError]) -> None:
    error = kind("it broke", suggestion="mend it", loader="DEMO-A")
    expected = {"errorType": kind.error_type, "reason": "it broke", "suggestion": "mend it", "loader": "DEMO-A"}
    assert error.as_dict() == expected
    assert str(error) == f"{kind.error_type}: it broke → mend it"
    assert kind.__doc__


def test_what_may_go_away_by_itself_is_retryable() -> None:
    retryable = {
        kind.error_type for kind in tree(EtlmonError) if kind.is_retryable and kind.__module__ == "domain.errors"
    }
    assert retryable == {
        "SOURCE_UNREACHABLE", "SOURCE_TIMEOUT", "SOURCE_FAILED", "SOURCE_ANSWER_INVALID", "STORAGE_UNAVAILABLE",
        "RATE_LIMITED",
    }  # fmt: skip
    assert SourceTimeoutError.is_retryable
