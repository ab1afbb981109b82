"""What happened to a ticket over there, as actions on the incident. One function for webhooks and polling (H1, E2).

Who owns what: severity, title and the course of the incident are ours, the assignee is theirs, the status belongs to whoever
changed it last, a person over there counting like a person here. What we wrote ourselves is recognised by our account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.incidents.lifecycle import Action, IncidentFacts, Request
from domain.incidents.view import IncidentState
from domain.notification.texts import clean
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import Change, News, Person

CAUSE = "jira"


@dataclass(frozen=True, slots=True)
class Seen:
    """What of the ticket is known already; `told_state`: the state of the incident as the ticket was last told it."""

    status: str | None
    seen_comment_id: int
    told_state: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads news in the light of the rules. `own_account` is who we are over there."""

    rules: TicketRules
    own_account: str
    now: datetime

    def decide_actions(self, news: News, seen: Seen, facts: IncidentFacts) -> list[Request]:
        """What follows for the incident, in order. An action may still be illegal: then the caller notes a conflict."""
        return [*self._status(news, seen, facts), *self._assignee(news, facts), *self._remarks(news, seen)]

    def _status(self, news: News, seen: Seen, facts: IncidentFacts) -> list[Request]:
        change, meaning = self._last(news, "status"), self.rules.meaning_of(news.ticket.status)
        if change is None or meaning is None or news.ticket.status == seen.status:
            return []
        is_over = facts.state.is_over
        if is_over == (meaning is Action.RESOLVE) and meaning in {Action.RESOLVE, Action.REOPEN}:
            return []  # "Done" of what is over, "To Do" of what is open anyway
        if is_over and not (seen.told_state and IncidentState(seen.told_state).is_over):
            return []  # he did not know yet that it is over: nothing of his was a reopening, whatever the clocks say
        actor, why = self.name(change.author), f"{news.ticket.key} is {clean(news.ticket.status, limit=60)}"
        wanted = Request(meaning, actor, CAUSE, self.now, reason=why)
        is_back_at_work = is_over and meaning not in {Action.RESOLVE, Action.REOPEN}
        return [Request(Action.REOPEN, actor, CAUSE, self.now, reason=why), wanted] if is_back_at_work else [wanted]

    def _assignee(self, news: News, facts: IncidentFacts) -> list[Request]:
        change = self._last(news, "assignee")
        if change is None or facts.state.is_over:
            return []
        assignee = self.name(Person(change.to_id, change.to)) if change.to_id else None
        if assignee == facts.assignee:
            return []
        return [Request(Action.ASSIGN, self.name(change.author), CAUSE, self.now, assignee=assignee)]

    def _remarks(self, news: News, seen: Seen) -> list[Request]:
        return [
            Request(Action.COMMENT, self.name(one.author), CAUSE, self.now, reason=one.text)
            for one in news.remarks
            if one.remark_id > seen.seen_comment_id and one.author.account != self.own_account and one.text
        ]

    def _last(self, news: News, what: str) -> Change | None:
        """The newest change of a field, if it was somebody else's: what we wrote later overrides what he wrote."""
        changes = [one for one in news.changes if one.what == what]
        return changes[-1] if changes and changes[-1].author.account != self.own_account else None

    def name(self, person: Person) -> str:
        """Who that is here; somebody unknown keeps his name over there."""
        return self.rules.people.get(person.account) or f"jira:{clean(person.name, limit=80) or person.account[:80]}"
