"""The rules in force: read from files at each evaluation when they changed; a broken file keeps its last good version (D6)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, text

from domain.detection.rule import Composite, Rule
from domain.errors import RuleFileError
from resources.rule_files import load_rule_folder


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """What is evaluated, and the files that cannot be used, each with its reason."""

    rules: list[Rule]
    broken: list[RuleFileError]


def load_rules_in_force(connection: Connection, folder: Path, *, now: datetime) -> RulesInForce:
    """Read the folder, remember every good file in the database and fall back to what is remembered for a broken one.

    A file that is gone takes its rule away; one that is broken does not. Of two files with one rule id the second is broken.
    """
    loaded = load_rule_folder(folder, Rule)
    rules: dict[str, Rule] = {}
    broken: list[RuleFileError] = []
    names = {found.id for found in loaded.values() if isinstance(found, Rule)}
    for path, read in sorted(loaded.items()):
        found = _check_parts(path, read, names)
        if isinstance(found, Rule) and found.id not in rules:
            rules[found.id] = found
            _remember(connection, found, path, now=now)
            continue
        error = found if isinstance(found, RuleFileError) else _twice(path, found)
        broken.append(error)
        if (kept := _recall(connection, path, error, now=now)) and kept.id not in rules:
            rules[kept.id] = kept
    connection.execute(text("DELETE FROM detection_rules WHERE NOT (rule_id = ANY(:ids))"), {"ids": list(rules)})
    return RulesInForce(list(rules.values()), broken)


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
        {"id": rule.id, "body": body, "hash": hashlib.sha256(body.encode()).hexdigest(), "file": path.name, "now": now},
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
