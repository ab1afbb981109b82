"""The navigation: sections and their entries. An entry is shown to who may read its page, and exists only when the page does.

Adding a page: write its module with a router, list the router in `assembly.py`, add the entry here.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.access.permissions import Caller


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the navigation. `key` follows `g` on the keyboard; resource and action are its line of the permission table."""

    title: str
    href: str
    icon: str
    resource: str
    action: str = "read"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Entries under one heading."""

    title: str
    entries: tuple[Entry, ...]


SECTIONS = (
    Section(
        "Operate",
        (
            Entry("Overview", "/", "overview", "platform", key="o"),
            Entry("Incidents", "/incidents", "incidents", "incidents", key="n"),
            Entry("Alerts", "/alerts", "alerts", "alerts", key="e"),
            Entry("Silences", "/silences", "silences", "silences", key="s"),
            Entry("Service levels", "/sla", "levels", "incidents", key="v"),
            Entry("On call", "/on-call", "on-call", "on-call", key="c"),
            Entry("Messages", "/messages", "messages", "messages", key="m"),
        ),
    ),
    Section(
        "Configure",
        (
            Entry("Loaders", "/loaders", "loaders", "loaders", key="l"),
            Entry("Import", "/import", "import", "loaders", "import", key="i"),
            Entry("Circuit breakers", "/breakers", "breakers", "breakers", key="b"),
        ),
    ),
    Section(
        "Administer",
        (
            Entry("Users", "/users", "users", "users", key="u"),
            Entry("API tokens", "/tokens", "tokens", "api-tokens", key="t"),
            Entry("Field policies", "/policies", "fields", "field-policies", key="f"),
            Entry("Rate limits", "/limits", "limits", "rate-limits", key="r"),
            Entry("Keys", "/keys", "keys", "keys", key="k"),
            Entry("Audit", "/audit", "audit", "audit", key="a"),
            Entry("Logins", "/logins", "logins", "login-audit"),
        ),
    ),
)


def list_navigation(caller: Caller) -> list[Section]:
    """What this caller may open; sections without such an entry are left out."""
    open_to = (
        Section(one.title, tuple(entry for entry in one.entries if caller.may(entry.resource, entry.action)))
        for one in SECTIONS
    )
    return [one for one in open_to if one.entries]


def is_current(href: str, path: str) -> bool:
    """Whether a page belongs to the entry: the page itself, or one below it."""
    return path == href or (href != "/" and path.startswith(f"{href}/"))
