"""`rules/correlation.yaml`, read when a desk is made."""

from __future__ import annotations

from pathlib import Path

from domain.detection.correlation import CorrelationPolicy
from resources.rule_files import load_rule_file, shipped_rules

FILE = "correlation.yaml"


def load_correlation_policy(folder: Path | None = None) -> CorrelationPolicy:
    """The policy of a rules folder; of the shipped one by default.

    Raises:
        RuleFileError: unreadable or malformed, with file, line and field.
    """
    return load_rule_file((folder or shipped_rules()) / FILE, CorrelationPolicy)
