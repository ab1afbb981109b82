"""Which rule files become loaders here: all readable ones whose connection is configured. The others wait for it, and that is no fault."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import ConfigurationError, RuleFileError
from domain.loaders.definition import LoaderDefinition
from domain.vocabulary import SourceKind
from resources.rule_files import load_rule_folder, shipped_rules
from resources.settings import Settings

_DEMO_PREFIX = "demo-"
_BY_VARIABLE = ("prometheus", "elasticsearch")


@dataclass(slots=True)
class SeedFiles:
    """What the files hold.

    Attributes:
        usable: definitions that can run here.
        waiting: name of a connection that is not configured → codes of the loaders that need it.
        broken: what cannot be read, and why.
        codes: of every readable file, seeded or not.
    """

    usable: list[LoaderDefinition] = field(default_factory=list)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)


def read_seed_files(settings: Settings, *, is_demo: bool) -> SeedFiles:
    """Read the folder of loaders. Files of the demo count only there; a broken connections file connects nothing new."""
    found = SeedFiles()
    try:
        configured = set(settings.connections)
    except ConfigurationError as error:
        configured = set()
        found.broken.append(str(error))
    for path, one in load_rule_folder((settings.rules_path or shipped_rules()) / "loaders", LoaderDefinition).items():
        if isinstance(one, RuleFileError):
            found.broken.append(str(one))
            continue
        found.codes.add(one.code)
        if is_demo or not is_demo_only(path):
            _sort_in(found, one, configured)
    return found


def is_demo_only(path: Path) -> bool:
    """Whether a file is about the synthetic estate alone."""
    return path.name.startswith(_DEMO_PREFIX)


def _sort_in(found: SeedFiles, one: LoaderDefinition, configured: set[str]) -> None:
    name = one.connection
    if isinstance(name, str) and one.source is not SourceKind.PUSH and name not in configured:
        found.waiting.setdefault(name, []).append(one.code)
    else:
        found.usable.append(one)


def describe_waiting(settings: Settings, found: SeedFiles, *, except_for: Collection[str] = ()) -> list[str]:
    """One line per connection that is missing: which loaders wait, and what starts them."""
    lines = []
    for name, every in sorted(found.waiting.items()):
        codes = sorted(set(every).difference(except_for))
        if not codes:
            continue
        is_variable = name in _BY_VARIABLE
        until = f"ETLMON_{name.upper()}_URL is set" if is_variable else f"{name} is in {settings.connections_path}"
        lines.append(f"left out until {until}: {', '.join(codes)}")
    return lines
