"""What may be done to an incident, as buttons and questions: which there are now, what each asks, what its answer means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.pages.filters import read_instant, read_word
from api.pages.posted import PostedForm
from api.pages.questions import Question, QuestionField
from domain.errors import InputDataError, NotFoundError
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import find_number
from domain.vocabulary import Severity
from resources.incidents.listing import IncidentRow

SPLIT = "split"
_TITLES = {
    Action.ACKNOWLEDGE: "Acknowledge", Action.INVESTIGATE: "Investigate", Action.REMEDIATE: "Remediate", Action.MONITOR: "Monitor",
    Action.RESOLVE: "Resolve", Action.CLOSE: "Close", Action.REOPEN: "Reopen", Action.SNOOZE: "Snooze", Action.WAKE: "Wake",
    Action.ASSIGN: "Assign", Action.SET_SEVERITY: "Severity", Action.MERGE: "Merge",
}  # fmt: skip
#: Done at once, by one press: nothing is lost by it.
AT_ONCE = (Action.ACKNOWLEDGE, Action.INVESTIGATE, Action.REMEDIATE, Action.MONITOR, Action.WAKE)
#: A change by somebody else meanwhile makes these another decision.
_OF_WHAT_WAS_SEEN = (Action.SET_SEVERITY, Action.MERGE)
_SNOOZES = [("1800", "30 minutes"), ("3600", "1 hour"), ("7200", "2 hours"), ("14400", "4 hours"), ("28800", "8 hours"),
            ("86400", "1 day"), ("604800", "7 days")]  # fmt: skip
_WORDS = {
    Action.RESOLVE: ["The fault is over. Escalation ends, all clocks stop, and those who were told hear of it."],
    Action.CLOSE: ["Nothing is left to do. It can be reopened."],
    Action.REOPEN: ["It begins anew: those on call are told again, and the clocks run on with what was spent."],
    Action.SNOOZE: ["Nothing escalates and no clock runs until then. It wakes by itself."],
    Action.ASSIGN: ["Who is to have it from now on."],
    Action.SET_SEVERITY: ["The clocks get the targets of the other severity; a higher one tells people anew while nobody has it."],
    Action.MERGE: ["Its alerts move to the other incident, which goes on alone; this one is closed. Splitting undoes it."],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Button:
    """`action` is the last part of its address. `is_at_once`: a press does it, without a question."""

    action: str
    title: str
    style: str = ""
    is_at_once: bool = False


def list_buttons(row: IncidentRow, *, alerts: int) -> list[Button]:
    """In the order in which a person thinks of them; the likely next one stands out."""
    actions = [one for one in row.actions if one in _TITLES]
    likely = next((one for one in (Action.ACKNOWLEDGE, Action.RESOLVE, Action.CLOSE) if one in actions), None)
    found = [
        Button(one.value, _TITLES[one], "primary" if one is likely else "", is_at_once=one in AT_ONCE)
        for one in actions
        if one is not likely
    ]
    first = [Button(likely.value, _TITLES[likely], "primary", is_at_once=likely in AT_ONCE)] if likely else []
    can_split = alerts > 1 and not row.state.is_over
    return [*first, *found, *([Button(SPLIT, "Split")] if can_split else [])]


def ask_for(
    row: IncidentRow, written: str, *, people: Mapping[str, str], me: str, alerts: Iterable[tuple[str, str]]
) -> Question:
    """The question of one action.

    Raises:
        NotFoundError: there is no such action.
    """
    if written == SPLIT:
        fields = [QuestionField("alerts", "Alerts that become an incident of their own", list(alerts), is_several=True)]
        lines = ["They are not joined again. The new incident has its own clocks and tells people."]
        return _question(row, "Split", lines, fields=fields, hidden={"revision": str(row.revision)}, reason="")
    action = parse_action(written)
    names = {me: f"{me} (me)", **{name: f"{title} ({name})" for name, title in people.items() if name != me}}
    severities = [(one.value, one.value.capitalize()) for one in Severity]
    asked = {
        Action.SNOOZE: [QuestionField("for_s", "For", _SNOOZES, "3600"), QuestionField("until", "Or until (UTC)", type="datetime-local")],
        Action.ASSIGN: [QuestionField("assignee", "To", [*names.items(), ("", "nobody")], row.assignee or me)],
        Action.SET_SEVERITY: [QuestionField("severity", "Severity", severities, row.severity.value)],
        Action.MERGE: [QuestionField("into", "Into", hint="Code of the other incident, like INC-12", is_required=True)],
    }  # fmt: skip
    hidden = {"revision": str(row.revision)} if action in _OF_WHAT_WAS_SEEN else {}
    return _question(row, _TITLES[action], _WORDS.get(action, []), fields=asked.get(action, []), hidden=hidden)


def read_request(action: Action, form: PostedForm, *, actor: str, now: datetime) -> Request:
    """What the form of an action says.

    Raises:
        InputDataError: an instant or a code that is none.
    """
    into = form.text("into")
    if into and find_number(into) is None:
        raise InputDataError(f"{into[:40]!r} names no incident", suggestion="write it like INC-12")
    return Request(
        action,
        actor,
        "page",
        now,
        reason=form.text("reason")[:2000],
        until=_until(form, now) if action is Action.SNOOZE else None,
        assignee=form.text("assignee") or None,
        severity=read_word(form.text("severity"), Severity),
        into=find_number(into) if into else None,
    )


def parse_action(written: str) -> Action:
    """Raises:
    NotFoundError: there is no such action.
    """
    if written not in set(Action):
        raise NotFoundError(f"there is no action {written[:40]!r} on incidents", suggestion="go back to the incident")
    return Action(written)


def _until(form: PostedForm, now: datetime) -> datetime | None:
    if given := form.text("until"):
        return read_instant(given)
    return now + timedelta(seconds=form.number("for_s")) if form.number("for_s") else None


def _question(
    row: IncidentRow,
    title: str,
    lines: list[str],
    *,
    fields: list[QuestionField],
    hidden: dict[str, str],
    reason: str = "Why, or what was found",
) -> Question:
    return Question(
        title=f"{title}: {row.code}",
        lines=[row.title, *lines],
        confirm=title,
        back=f"/incidents/{row.code}",
        hidden=hidden,
        reason=reason,
        is_reason_needed=False,
        fields=fields,
    )
