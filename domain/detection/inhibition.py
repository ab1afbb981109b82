"""Symptoms stay quiet while their cause is told: rules with source, target and equal labels, as Alertmanager has them (D7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field, field_validator

from domain.detection.matchers import Matcher, matching, parse_matcher
from domain.errors import InputDataError
from domain.loaders.definition import Frozen


class InhibitionRule(Frozen):
    """While an alert that `source` means fires, those that `target` means are quiet where the `equal` labels are the same.

    Labels that both lack are the same. No alert inhibits itself, and two that each are source and target leave each other alone.
    """

    name: str
    source: list[Matcher] = Field(min_length=1)
    target: list[Matcher] = Field(min_length=1)
    equal: list[str] = Field(default_factory=list)

    @field_validator("source", "target", mode="before")
    @classmethod
    def _as_written(cls, given: object) -> object:
        if not isinstance(given, list):
            return given
        try:
            return [parse_matcher(one) if isinstance(one, str) else one for one in given]
        except InputDataError as error:
            raise ValueError(error.reason) from None


def decide_inhibitions(
    rules: Sequence[InhibitionRule],
    *,
    targets: Sequence[Mapping[str, str]],
    sources: Sequence[Mapping[str, str]],
    is_same: Mapping[int, int] | None = None,
    apart: str = "",
) -> list[tuple[int, str] | None]:
    """[target] the index of the source that silences it and the name of the rule; None where nothing does.

    Args:
        targets, sources: labels of alerts that fire.
        is_same: target index → source index of the same alert.
        apart: a label that has to be the same for every rule.
    """
    verdicts: list[tuple[int, str] | None] = [None] * len(targets)
    own = is_same or {}
    for rule in rules:
        is_source = matching(rule.source, sources) & ~matching(rule.target, sources)
        by_key: dict[tuple[str, ...], int] = {}
        for index in is_source.nonzero()[0].tolist():
            by_key.setdefault(_key(rule, sources[index], apart), index)
        for index in matching(rule.target, targets).nonzero()[0].tolist() if by_key else ():
            source = by_key.get(_key(rule, targets[index], apart))
            if source is not None and verdicts[index] is None and own.get(index) != source:
                verdicts[index] = (source, rule.name)
    return verdicts


def _key(rule: InhibitionRule, labels: Mapping[str, str], apart: str) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in [*rule.equal, apart])
