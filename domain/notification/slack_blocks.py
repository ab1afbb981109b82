"""A chat message in Slack's Block Kit. Facts stand in `plain_text` objects only, so no title formats, links or mentions anybody."""

from __future__ import annotations

from typing import Any

from domain.notification.texts import Words, facts_rows, render_subject, shorten

ACKNOWLEDGE, ESCALATE, DETAILS = "incident_acknowledge", "incident_escalate", "incident_details"
_ICONS = {"CRITICAL": "🔴", "HIGH": "🟠", "MEDIUM": "🟡", "LOW": "🔵"}


def escape_slack(text: str) -> str:
    """Slack's three special characters; what follows can neither link nor mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def render_slack_text(words: Words) -> str:
    """The line of the notification and of clients without blocks. Marks that would format are put out of work."""
    text = escape_slack(render_subject(words))
    return "".join(f"\u200b{one}" if one in "*_~`" else one for one in text)


def render_slack_blocks(words: Words, *, message_id: int) -> list[dict[str, Any]]:
    """Headline, facts, and buttons while somebody is asked to act."""
    icon = "✅" if words.kind.value == "resolved" else _ICONS[words.severity.value]
    headline = render_subject(words) if words.is_drill else f"{icon} {render_subject(words)}"
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(shorten(headline, 140), limit=150)}]
    if words.is_drill:
        blocks.append({"type": "context", "elements": [_plain("DRILL: nothing is broken, this is an exercise.")]})
    rows = [("", words.heading), *facts_rows(words)]
    fields = [_plain(f"{label}: {value}" if label else value) for label, value in rows]
    blocks.append({"type": "section", "fields": fields[:10]})
    extra = "\n".join([words.summary, *words.lines]).strip()
    if extra:
        blocks.append({"type": "section", "text": _plain(extra, limit=2900)})
    buttons = _buttons(words, message_id)
    if buttons:
        blocks.append({"type": "actions", "block_id": f"incident-{message_id}", "elements": buttons})
    return blocks


def _buttons(words: Words, message_id: int) -> list[dict[str, Any]]:
    buttons: list[dict[str, Any]] = []
    if words.is_asking and words.code:
        value = f"{words.code}|{message_id}"
        buttons += [
            {**_button("Acknowledge", ACKNOWLEDGE, value), "style": "primary"},
            {**_button("Escalate", ESCALATE, value), "style": "danger"},
            _button("Details", DETAILS, value),
        ]
    for label, url in (("Dashboard", words.dashboard_url), ("Incident", words.incident_url)):
        if url:
            buttons.append({"type": "button", "text": _plain(label), "url": url, "action_id": f"open_{label.lower()}"})
    return buttons


def _button(label: str, action_id: str, value: str) -> dict[str, Any]:
    return {"type": "button", "text": _plain(label), "action_id": action_id, "value": value}


def _plain(text: str, *, limit: int = 1900) -> dict[str, Any]:
    return {"type": "plain_text", "text": shorten(escape_slack(text), limit) or "–", "emoji": False}
