"""The page "what each channel got": newest first, plain HTML that needs nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

from domain.tickets.document import plain_text

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1rem}"
    "li{border-top:1px solid #8886;padding:.75rem 0;list-style:none}ul{padding:0}pre{white-space:pre-wrap;margin:.25rem 0;"
    "overflow-wrap:anywhere;font:inherit}small{opacity:.75}nav a{margin-right:1rem}"
)


def render_received(items: list[dict[str, Any]], counts: dict[str, int]) -> str:
    """One document; every delivered text is escaped."""
    names = " · ".join(f"{escape(name)} {count}" for name, count in counts.items())
    rows = "".join(_row(one) for one in items) or "<li>Nothing yet.</li>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="refresh" content="5"><title>What each channel got</title><style>{_STYLE}</style></head><body>'
        f"<h1>What each channel got</h1><p>Simulated providers, newest first. {names}</p><ul>{rows}</ul></body></html>"
    )


def _row(one: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(one["at_s"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    pressed = one["detail"].get("pressed")
    key = f" <small>pressed {escape(str(pressed))}</small>" if pressed else ""
    body = one["detail"].get("plain") or ""
    more = f"<details><summary>text</summary><pre>{escape(str(body))}</pre></details>" if body else ""
    return (
        f"<li><strong>{escape(one['receiver'])}</strong> to {escape(one['to'])} <small>{at}</small>{key}"
        f"<pre>{escape(one['text'])}</pre>{more}</li>"
    )


def render_ticket(shown: dict[str, Any], comments: list[dict[str, Any]]) -> str:
    """One issue of the simulated Jira, for whoever follows a link to it; every text is escaped."""
    fields = shown["fields"]
    facts = {
        "Status": fields["status"]["name"],
        "Priority": fields["priority"]["name"],
        "Assignee": (fields["assignee"] or {}).get("displayName", "nobody"),
        "Labels": ", ".join(fields["labels"]),
    }
    rows = "".join(f"<li><strong>{name}</strong> {escape(str(value))}</li>" for name, value in facts.items())
    told = "".join(
        f"<li><strong>{escape(one['author']['displayName'])}</strong> <small>{escape(one['created'])}</small>"
        f"<pre>{escape(plain_text(one['body']))}</pre></li>"
        for one in comments
    )
    title = escape(f"{shown['key']} {fields.get('summary', '')}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1><p>In the simulated Jira.</p><ul>{rows}</ul>"
        f"<pre>{escape(plain_text(fields.get('description'), limit=30_000))}</pre><h2>Comments</h2>"
        f"<ul>{told or '<li>None.</li>'}</ul></body></html>"
    )
