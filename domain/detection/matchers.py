"""Matchers on labels as Alertmanager writes them: =, !=, =~, !~; a label that is not there is an empty text; regexes match
the whole value and run in linear time (Rust's engine), so that no pattern can stop the platform.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, ValidationError, model_validator

from domain.detection.firing import Bools
from domain.errors import InputDataError
from domain.loaders.definition import Frozen

_WRITTEN = re.compile(r"^\s*([a-zA-Z_][\w.-]{0,99})\s*(=~|!~|!=|=)\s*(.*?)\s*$", re.DOTALL)


class Matcher(Frozen):
    """One condition on one label. Beside labels of the object an alert has `rule`, `severity`, `category`, `source`, `metric`."""

    label: str = Field(pattern=r"^[a-zA-Z_][\w.-]{0,99}$")
    op: Literal["=", "!=", "=~", "!~"]
    value: str = Field(max_length=1000)

    @model_validator(mode="after")
    def _is_a_regular_expression(self) -> Matcher:
        if self.op in ("=~", "!~"):
            for pattern in (self.value, _anchored(self.value)):
                try:
                    pl.Series([""]).str.contains(pattern)
                except pl.exceptions.ComputeError as error:
                    reason = str(error).strip().splitlines()[-1]
                    raise ValueError(f"{self.value!r} is no regular expression: {reason}") from None
        return self

    def __str__(self) -> str:
        return f'{self.label}{self.op}"{self.value}"'


def parse_matcher(written: str) -> Matcher:
    """`service=loader`, `service=~"load.*"`, `pod!=x`.

    Raises:
        InputDataError: it is none.
    """
    found = _WRITTEN.match(written)
    if found is None:
        raise InputDataError(
            f"{written[:120]!r} is no matcher",
            suggestion='write label=value, label!=value, label=~"regex" or label!~"regex"',
        )
    label, op, value = found.groups()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"')
    return parse_matchers([{"label": label, "op": op, "value": value}])[0]


def parse_matchers(raw: Sequence[Mapping[str, Any]]) -> list[Matcher]:
    """Matchers out of JSON.

    Raises:
        InputDataError: one of them is wrong.
    """
    try:
        return [Matcher.model_validate(dict(one)) for one in raw]
    except ValidationError as error:
        words = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    except (TypeError, ValueError) as error:
        words = str(error)
    raise InputDataError(f"a matcher is wrong: {words}", suggestion="give label, op (=, !=, =~, !~) and value")


def require_narrow(matchers: Sequence[Matcher], *, what: str) -> None:
    """At least one matcher has to ask for something that is there: what matches everything silences the whole platform.

    Raises:
        InputDataError: every matcher accepts a missing label.
    """
    if all(bool(matching([one], [{}])[0]) for one in matchers):
        raise InputDataError(
            f"{what} would match every alert", suggestion="name at least one label, for example service=loader"
        )


def matching(matchers: Sequence[Matcher], labels: Sequence[Mapping[str, str]]) -> Bools:
    """[alert] whether all matchers accept its labels."""
    accepted = np.ones(len(labels), np.bool_)
    for one in matchers:
        if not accepted.any():
            break
        values = pl.Series([label.get(one.label, "") for label in labels], dtype=pl.String)
        accepted &= _accepts(one, values).to_numpy()
    return accepted


def _accepts(one: Matcher, values: pl.Series) -> pl.Series:
    if one.op == "=":
        return values == one.value
    if one.op == "!=":
        return values != one.value
    found = values.str.contains(_anchored(one.value))
    return found if one.op == "=~" else ~found


def _anchored(pattern: str) -> str:
    return f"^(?s:{pattern})$"
