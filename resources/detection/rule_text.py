"""A rule as the text of its file."""

from __future__ import annotations

import yaml

from domain.detection.rule import Rule


def write_rule(rule: Rule) -> str:
    """YAML with the fields that differ from their defaults; the id, title, severity, series and condition always."""
    fields = rule.model_dump(mode="json", exclude_defaults=True)
    order = ["id", "title", "summary", "description", "severity", "category", "owner", "runbook", "series", "when"]
    sorted_ = {name: fields[name] for name in order if name in fields} | fields
    text: str = yaml.safe_dump(sorted_, sort_keys=False, allow_unicode=True, width=120)
    return text
