"""Which alerts are one incident, and which of them is the likely cause (D7).

Alerts belong together when they are near in time and about the same place, or when one place needs the other: the caller joins
what it calls. A group is named by its root candidate; nothing here stores or tells anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import Field

from domain.detection.flapping import FlappingLimits
from domain.detection.inhibition import InhibitionRule
from domain.detection.matchers import Matcher, matching, parse_matcher
from domain.detection.service_graph import Places, ServiceGraph
from domain.loaders.definition import Frozen
from domain.vocabulary import Severity

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Dependency(Frozen):
    """A dependency that no series shows; both ends are places, the first may hold `*`."""

    place: str = Field(pattern=r"^[a-z]+:.+$")
    needs: str = Field(pattern=r"^[a-z]+:[^*]+$")


class KnownPlace(Frozen):
    """Where alerts are whose labels do not say it."""

    match: list[str] = Field(min_length=1, description="matchers; all of them have to fit")
    place: str = Field(pattern=r"^[a-z]+:[^*]+$")


class CorrelationPolicy(Frozen):
    """`rules/correlation.yaml`."""

    window_s: float = Field(default=900.0, gt=0, description="alerts further apart are not one incident")
    lasting_s: float = Field(
        default=3600.0,
        ge=0,
        description="so long after its onset an incident that fires still gathers kinds of `alike`",
    )
    root_may_change_s: float = Field(default=600.0, ge=0, description="how old an incident may be to be named anew")
    quiet_s: float = Field(default=300.0, ge=0, description="an incident is over when its alerts are, for so long")
    relapse_s: float = Field(default=3600.0, ge=0, description="the same alert within it reopens its incident")
    still_firing_s: float = Field(
        default=900.0, ge=0, description="what fires so long after a person resolved its incident reopens it"
    )
    storm_at: int = Field(default=10, ge=2, description="more new incidents of one rule at once are one incident")
    saturation: list[str] = Field(
        default_factory=list, description="matchers; an alert that one of them means is about a resource"
    )
    alike: list[str] = Field(
        default_factory=list, description="kinds of places of which several fail together: one rule, one incident"
    )
    places: list[KnownPlace] = Field(default_factory=list)
    dependencies: list[Dependency] = Field(default_factory=list)
    inhibit: list[InhibitionRule] = Field(default_factory=list)
    flapping: FlappingLimits = FlappingLimits()
    severities: dict[str, Severity] = Field(default_factory=dict, description="words of other systems")

    def saturation_matchers(self) -> list[Matcher]:
        """Each of them alone is enough."""
        return [parse_matcher(one) for one in self.saturation]


@dataclass(frozen=True, slots=True)
class Member:
    """An alert as far as correlation looks at it."""

    alert_id: int
    rule_id: str
    title: str
    summary: str
    severity: Severity
    category: str
    onset_at: datetime
    fired_at: datetime
    places: Places
    is_saturation: bool = False
    is_drill: bool = False
    is_firing: bool = True


@dataclass(eq=False, slots=True)
class Group:
    """An incident to be: new members of an open one (`incident_id`), or a new one. `members` are the alerts known before."""

    incident_id: int | None
    root_place: str
    onset_at: datetime
    last_at: datetime
    is_drill: bool = False
    opened_at: datetime | None = None
    root_alert_id: int | None = None
    is_untouched: bool = True  # nobody has acted on it yet
    members: list[Member] = field(default_factory=list)
    joined: list[Member] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def everybody(self) -> list[Member]:
        """Known before and joined now."""
        return [*self.members, *self.joined]


def is_saturation(policy: CorrelationPolicy, labels: Sequence[dict[str, str]]) -> list[bool]:
    """[alert] whether it says that a resource is used up: pool, disk, memory, restarts."""
    found = [False] * len(labels)
    for matcher in policy.saturation_matchers():
        found = [known or bool(now) for known, now in zip(found, matching([matcher], labels), strict=True)]
    return found


def locate_by_policy(policy: CorrelationPolicy, labels: Sequence[dict[str, str]]) -> list[str]:
    """[alert] the place that configuration gives it; empty where it gives none."""
    found = [""] * len(labels)
    for known in policy.places:
        meant = matching([parse_matcher(one) for one in known.match], labels)
        found = [place or (known.place if is_meant else "") for place, is_meant in zip(found, meant, strict=True)]
    return found


def is_placeless(place: str) -> bool:
    """Its labels name nothing that anything depends on."""
    return place.startswith("rule:")


def rank_roots(members: Iterable[Member], graph: ServiceGraph) -> list[tuple[Member, str]]:
    """Candidates for the cause, likeliest first, each with the place that it accuses.

    What names a place before what names none; then who has the fewest failing dependencies of its own, what says that a
    resource is used up, what is not merely of LOW severity, the earliest onset. A failing call accuses the one called
    when he fails by his own account, when others fail to call him too, or when nobody else calls him; else the caller.
    """
    everybody = list(members)
    direct = {one.places.subject for one in everybody if not one.places.callee}
    failing_callers: dict[str, set[str]] = {}
    for one in everybody:
        if one.places.callee:
            failing_callers.setdefault(one.places.callee, set()).add(one.places.caller)
    accused = {
        callee
        for callee, callers in failing_callers.items()
        if callee in direct or len(callers) > 1 or graph.callers_of(callee) <= callers
    }
    placed = [(one, one.places.callee if one.places.callee in accused else one.places.subject) for one in everybody]
    failing = {place for _, place in placed}
    below = {place: len(graph.dependencies(place).keys() & failing) for place in failing}

    def key(found: tuple[Member, str]) -> tuple[bool, int, bool, bool, datetime, int, int]:
        one, place = found
        return (
            is_placeless(place),
            below[place],
            not one.is_saturation,
            one.severity is Severity.LOW,
            one.onset_at,
            _RANK[one.severity],
            one.alert_id,
        )

    return sorted(placed, key=key)


def correlate(
    alerts: Sequence[Member], groups: Sequence[Group], graph: ServiceGraph, policy: CorrelationPolicy
) -> list[Group]:
    """Give each alert to a group, new or open; the groups that got one.

    Args:
        alerts: fire, are not held back and belong to no incident.
        groups: open incidents near in time, or about the same places.
    """
    board = _Board(groups, graph, policy)
    known = [one for group in groups for one in group.members]
    new = {one.alert_id for one in alerts}
    order = [found for found in rank_roots([*known, *alerts], graph) if found[0].alert_id in new]
    for alert, place in order:
        found = board.find(alert, place)
        group, reason = found or (board.add(alert, place), "first")
        group.joined.append(alert)
        group.reasons[reason] += 1
        board.learn(group, alert)
    return _gather_storms(board, policy)


class _Board:
    """The groups, by the places of their roots and of their members."""

    def __init__(self, groups: Sequence[Group], graph: ServiceGraph, policy: CorrelationPolicy) -> None:
        self._graph = graph
        self._window, self._lasting = timedelta(seconds=policy.window_s), timedelta(seconds=policy.lasting_s)
        self._alike_kinds = set(policy.alike)
        self.groups: list[Group] = []
        self._placeless: list[Group] = []
        self._by_root: dict[tuple[str, bool], list[Group]] = {}
        self._by_place: dict[tuple[str, bool], list[Group]] = {}
        for group in groups:
            self._enter(group)
            for one in group.members:
                self.learn(group, one)

    def add(self, alert: Member, place: str) -> Group:
        group = Group(None, place, alert.onset_at, alert.fired_at, is_drill=alert.is_drill)
        self._enter(group)
        return group

    def _enter(self, group: Group) -> None:
        self.groups.append(group)
        if is_placeless(group.root_place):
            self._placeless.append(group)
        self._by_root.setdefault((group.root_place, group.is_drill), []).append(group)

    def learn(self, group: Group, alert: Member) -> None:
        group.onset_at = min(group.onset_at, alert.onset_at)
        group.last_at = max(group.last_at, alert.fired_at)
        for place in alert.places.all | self._alike(alert):
            known = self._by_place.setdefault((place, group.is_drill), [])
            if group not in known[-8:]:
                known.append(group)

    def _alike(self, alert: Member) -> set[str]:
        kind = alert.places.subject.partition(":")[0]
        return {f"alike:{kind}/{alert.rule_id}"} if kind in self._alike_kinds else set()

    def find(self, alert: Member, place: str) -> tuple[Group, str] | None:
        graph = self._graph
        options = [
            (self._by_root, {place, f"storm:{alert.rule_id}"}, "same place"),
            (self._by_place, {place}, "same place"),
            (self._by_root, graph.dependencies(place), "it depends on the cause"),
            (self._by_root, graph.dependents(place), "the incident depends on it"),
            (self._by_place, self._alike(alert), "the same happens to others of its kind"),
        ]
        for index, places, reason in options:
            for one in places:
                for group in reversed(index.get((one, alert.is_drill), ())):
                    is_near = self._is_near(group, alert) or self._is_going_on(group, alert)
                    if is_near or (reason == "same place" and _still_fires(group, place)):
                        return group, reason
        return self._find_placeless(alert, place)

    def _find_placeless(self, alert: Member, place: str) -> tuple[Group, str] | None:
        """What names no place belongs to the one incident that is near in time, if there is only one."""
        candidates = self.groups if is_placeless(place) else self._placeless
        near = [one for one in candidates if one.is_drill == alert.is_drill and self._is_near(one, alert)]
        return (near[0], "near in time, and nothing says where") if len(near) == 1 else None

    def _is_near(self, group: Group, alert: Member) -> bool:
        return group.onset_at - self._window <= alert.fired_at and alert.onset_at <= group.last_at + self._window

    def _is_going_on(self, group: Group, alert: Member) -> bool:
        """What runs now and then meets late what lasts: a loader that comes once in an hour."""
        is_rare = alert.places.subject.partition(":")[0] in self._alike_kinds
        is_within = group.onset_at <= alert.onset_at <= group.onset_at + self._lasting
        return is_rare and is_within and any(one.is_firing for one in group.everybody)


def _still_fires(group: Group, place: str) -> bool:
    """However long ago it began: what fires at that very place has its incident. Elsewhere only nearness in time counts."""
    return not is_placeless(place) and any(one.is_firing and one.places.subject == place for one in group.members)


def _gather_storms(board: _Board, policy: CorrelationPolicy) -> list[Group]:
    """One rule that finds many unrelated places at once has found one thing: those groups become one."""
    changed = [group for group in board.groups if group.joined]
    rules = Counter((_rule_of(group), group.is_drill) for group in changed if group.incident_id is None)
    gathered: dict[tuple[str, bool], Group] = {}
    answer = []
    for group in changed:
        key = (_rule_of(group), group.is_drill)
        if group.incident_id is not None or rules[key] <= policy.storm_at:
            answer.append(group)
        elif key in gathered:
            _absorb(gathered[key], group)
        else:
            group.root_place = f"storm:{key[0]}"
            gathered[key] = group
            answer.append(group)
    return answer


def _rule_of(group: Group) -> str:
    return group.joined[0].rule_id


def _absorb(into: Group, other: Group) -> None:
    into.joined += other.joined
    into.onset_at, into.last_at = min(into.onset_at, other.onset_at), max(into.last_at, other.last_at)
    into.reasons["storm"] += len(other.joined)


def find_absorbed(
    changed: Sequence[Group], groups: Sequence[Group], graph: ServiceGraph, *, now: datetime, policy: CorrelationPolicy
) -> list[tuple[Group, Group]]:
    """Open incidents that turn out to be symptoms of a changed one: (symptom, cause). Only young ones that nobody touched.

    Args:
        changed: incidents that got an alert or another root, as they are now.
    """
    causes: dict[tuple[str, bool], Group] = {(one.root_place, one.is_drill): one for one in changed}
    young, window = now - timedelta(seconds=policy.root_may_change_s), timedelta(seconds=policy.window_s)
    pairs = []
    for symptom in groups:
        is_young = symptom.incident_id is not None and symptom.opened_at is not None and symptom.opened_at >= young
        if not is_young or not symptom.is_untouched:
            continue
        for place in graph.dependencies(symptom.root_place):
            cause = causes.get((place, symptom.is_drill))
            is_near = cause is not None and abs(cause.onset_at - symptom.onset_at) <= window
            if cause is not None and is_near and not graph.depends(place, symptom.root_place):
                pairs.append((symptom, cause))
                break
    return pairs
