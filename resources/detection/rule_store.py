"""The rules in force: read from files at each evaluation when they changed; a broken file keeps its last good version (D6)."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, text

from domain.detection.rule import Composite, Rule
from domain.errors import RuleFileError
from resources.rule_files import load_rule_file


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """What is evaluated, and the files that cannot be used, each with its reason.

    Attributes:
        muted: ids of rules that were told until now and are judged in the shadow from now on.
    """

    rules: list[Rule]
    broken: list[RuleFileError]
    muted: frozenset[str] = frozenset()


def load_rules_in_force(connection: Connection, folder: Path, *, now: datetime) -> RulesInForce:
    """Read the folder, remember every good file in the database and fall back to what is remembered for a broken one.

    A file that is gone takes its rule away; one that is broken does not. Of two files with one rule id the second is broken.
    """
    kept = _read_kept(connection)
    loaded = {path: _load(path, kept.get(path.name)) for path in sorted(folder.glob("*.yaml"))}
    rules: dict[str, Rule] = {}
    broken: list[RuleFileError] = []
    muted: set[str] = set()
    names = {found.id for found in loaded.values() if isinstance(found, Rule)}
    for path, read in sorted(loaded.items()):
        found = _check_parts(path, read, names)
        if isinstance(found, Rule) and found.id not in rules:
            rules[found.id] = found
            before = kept.get(path.name)
            if before is None or before.rule is not found:
                _remember(connection, found, path, now=now)
            if before and before.rule.id == found.id and before.rule.is_told and not found.is_told:
                muted.add(found.id)
            continue
        error = found if isinstance(found, RuleFileError) else _twice(path, found)
        broken.append(error)
        if (last := _recall(connection, path, error, now=now)) and last.id not in rules:
            rules[last.id] = last
    connection.execute(text("DELETE FROM detection_rules WHERE NOT (rule_id = ANY(:ids))"), {"ids": list(rules)})
    return RulesInForce(list(rules.values()), broken, frozenset(muted))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The last good version of a file, and what the file's bytes were."""

    content_hash: str
    rule: Rule


def _read_kept(connection: Connection) -> dict[str, _Kept]:
    """file → last good version; those of broken files are left out, they are to be read again."""
    rows = connection.execute(
        text("SELECT file, content_hash, definition::text AS body FROM detection_rules WHERE broken_reason IS NULL")
    )
    found = {}
    for row in rows:
        with suppress(ValidationError):  # the release no longer understands what it remembered
            found[row.file] = _Kept(row.content_hash, Rule.model_validate_json(row.body))
    return found


def _load(path: Path, kept: _Kept | None) -> Rule | RuleFileError:
    """A file that did not change is not parsed again: YAML of 300 rules takes seconds."""
    try:
        if kept is not None and kept.content_hash == _hash(path):
            return kept.rule
        return load_rule_file(path, Rule)
    except OSError as error:
        return RuleFileError(f"{path}: {error.strerror}", suggestion="check path and permissions", file=str(path))
    except RuleFileError as error:
        return error


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_parts(path: Path, found: Rule | RuleFileError, names: set[str]) -> Rule | RuleFileError:
    """A composite of rules that do not exist would never fire, and nobody would know."""
    if isinstance(found, Rule) and isinstance(found.when, Composite) and (lost := set(found.when.rules) - names):
        return RuleFileError(
            f"{path}: field when.rules: no rule {min(lost)!r} in this folder",
            suggestion="name rules that exist; `etlmon rules list` shows them",
            file=str(path),
            field="when.rules",
        )
    return found


def _twice(path: Path, rule: Rule) -> RuleFileError:
    return RuleFileError(
        f"{path}: the rule id {rule.id!r} is used by another file",
        suggestion="give one of the two another id",
        file=str(path),
        field="id",
    )


def _remember(connection: Connection, rule: Rule, path: Path, *, now: datetime) -> None:
    body = rule.model_dump_json()
    connection.execute(
        text(
            "INSERT INTO detection_rules (rule_id, definition, content_hash, file, loaded_at) VALUES (:id, :body, :hash, :file, :now)"
            " ON CONFLICT (rule_id) DO UPDATE SET definition = excluded.definition, content_hash = excluded.content_hash,"
            " file = excluded.file, loaded_at = excluded.loaded_at, broken_reason = NULL, broken_since = NULL"
            " WHERE detection_rules.content_hash <> excluded.content_hash OR detection_rules.broken_reason IS NOT NULL"
            " OR detection_rules.file <> excluded.file"
        ),
        {"id": rule.id, "body": body, "hash": _hash(path), "file": path.name, "now": now},
    )


def _recall(connection: Connection, path: Path, error: RuleFileError, *, now: datetime) -> Rule | None:
    row = connection.execute(
        text(
            "UPDATE detection_rules SET broken_reason = :reason, broken_since = coalesce(broken_since, :now) WHERE file = :file"
            " RETURNING definition"
        ),
        {"reason": error.reason, "now": now, "file": path.name},
    ).first()
    if row is None:
        return None
    try:
        return Rule.model_validate_json(json.dumps(row.definition))
    except ValidationError:  # the release no longer understands what it remembered
        return None
