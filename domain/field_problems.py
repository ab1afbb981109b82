"""What pydantic found wrong with a document, in words for people: field, message, what to do. For rule files, API and workbooks."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_ADVICE = {
    "extra_forbidden": "remove the field, or correct its spelling",
    "missing": "add the field",
    "enum": "use one of the values named",
    "string_pattern_mismatch": "match the pattern named",
}
#: Names that pydantic puts into locations for the branches of a union; no document has them as fields.
_UNION_BRANCHES = {"str", "Connection"}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One fault. `field` is a dotted path, empty for the document as a whole; the message never has the value of a secret."""

    location: tuple[int | str, ...]
    message: str
    suggestion: str

    @property
    def field(self) -> str:
        """`prometheus.0.promql`."""
        return ".".join(str(part) for part in self.location)


def list_problems(error: ValidationError) -> list[FieldProblem]:
    """Every fault that is about what the user wrote, the most telling first; never empty."""
    details = error.errors(include_input=False, include_url=False)
    telling = [one for one in details if not _is_other_branch(one, details)] or details[:1]
    return [_describe(one) for one in telling]


def _describe(detail: ErrorDetails) -> FieldProblem:
    message = detail["msg"].removeprefix("Value error, ")
    location = tuple(part for part in detail["loc"] if part not in _UNION_BRANCHES)
    return FieldProblem(location, message, _ADVICE.get(detail["type"], message))


def _is_other_branch(one: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """A field that may be a name or a mapping complains that a mapping is no name; that is not what the user did wrong."""
    siblings = [
        other for other in details if other is not one and other["loc"][: len(one["loc"]) - 1] == one["loc"][:-1]
    ]
    return one["type"] == "string_type" and one["loc"][-1] == "str" and bool(siblings)
