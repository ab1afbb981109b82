"""Short human names for templates (C5): their constant words, the telling ones first in line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from domain.log_patterns.tokens import PLACEHOLDER

MAX_WORDS = 6
#: Words that say nothing about what happened.
_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "was",
        "are",
        "were",
        "be",
        "been",
        "of",
        "to",
        "for",
        "from",
        "in",
        "on",
        "at",
        "by",
        "with",
        "and",
        "or",
        "as",
        "it",
        "its",
        "this",
        "that",
    ]
)
_WORDS = re.compile(r"[^\W\d_][\w.$'-]*[^\W_]|[^\W\d_]")
_VALUE_OF_NAME = re.compile(r"[\w.-]+\s?=\s?(?:<[a-z*]+>|\S*)")


def compute_names(templates: Sequence[str], template_ids: Sequence[str]) -> list[str]:
    """One name per template; where two would be alike, the later one carries the first digits of its id.

    Examples:
        >>> compute_names(["Failed password for <*> from <ip> port <num>"], ["a1b2c3d4"])
        ['Failed password port']

    """
    names = [compute_name(template) for template in templates]
    seen: Counter[str] = Counter()
    unique = []
    for name, template_id in zip(names, template_ids, strict=True):
        unique.append(f"{name} #{template_id[:4]}" if seen[name] else name)
        seen[name] += 1
    return unique


def compute_name(template: str) -> str:
    """The first telling words of a template; "(empty line)" and "(values only)" where there are none."""
    if not template:
        return "(empty line)"
    words = _WORDS.findall(PLACEHOLDER.sub(" ", _VALUE_OF_NAME.sub(" ", template)))
    if not words:
        words = _WORDS.findall(PLACEHOLDER.sub(" ", template))
    telling = [word for word in words if word.lower() not in _FILLERS] or words
    return " ".join(telling[:MAX_WORDS]) or "(values only)"
