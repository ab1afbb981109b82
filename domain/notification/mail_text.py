"""The HTML body of a mail: one table with inline styles, readable in light and dark, by screen readers and without images."""

from __future__ import annotations

from html import escape

from domain.notification.texts import Words, facts_rows, render_subject

_COLOURS = {"CRITICAL": "#a11220", "HIGH": "#8a4b00", "MEDIUM": "#6b5600", "LOW": "#1f4f8f"}
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_CELL = "padding:6px 12px 6px 0;vertical-align:top;text-align:left"


def render_mail_html(words: Words) -> str:
    """A whole document. Every fact is escaped; links are http(s) only (see `texts`)."""
    colour = _COLOURS[words.severity.value]
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL};font-weight:600">{escape(label)}</th>'
        f'<td style="{_CELL};overflow-wrap:anywhere">{escape(value)}</td></tr>'
        for label, value in facts_rows(words)
    )
    drill = (
        '<p style="margin:0 0 12px;padding:8px 12px;border:2px dashed currentColor"><strong>DRILL</strong>:'
        " nothing is broken, this is an exercise.</p>"
        if words.is_drill
        else ""
    )
    more = f'<p style="margin:16px 0;white-space:pre-line">{escape(words.summary)}</p>' if words.summary else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in words.lines)
    listed = f'<ul style="margin:16px 0;padding-left:20px">{items}</ul>' if items else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(render_subject(words))}</title></head>"
        f'<body style="margin:0;padding:16px;{_FONT};font-size:16px;line-height:1.5">'
        f'<div style="max-width:600px;margin:0 auto">{drill}'
        f'<p style="margin:0 0 8px"><span style="display:inline-block;padding:2px 10px;border-radius:4px;color:#ffffff;'
        f'background-color:{colour};font-weight:700">{escape(words.severity.value)}</span> {escape(words.heading)}</p>'
        f'<h1 style="font-size:20px;line-height:1.3;margin:0 0 12px">{escape(f"{words.code} {words.title}".strip())}</h1>'
        f'<table style="border-collapse:collapse;width:100%"><tbody>{rows}</tbody></table>'
        f"{more}{listed}{_links(words, colour)}"
        '<p style="margin:24px 0 0;font-size:13px;opacity:.75">Sent by the ETL Monitoring Platform. Replies are not read.</p>'
        "</div></body></html>"
    )


def _links(words: Words, colour: str) -> str:
    parts = []
    if words.ack_url and words.is_asking:
        parts.append(
            f'<a href="{escape(words.ack_url)}" style="display:inline-block;padding:12px 20px;border-radius:6px;'
            f'background-color:{colour};color:#ffffff;font-weight:700;text-decoration:none">Acknowledge</a>'
        )
    for label, url in (("Open the incident", words.incident_url), ("Open the dashboard", words.dashboard_url)):
        if url:
            parts.append(f'<a href="{escape(url)}" style="display:inline-block;padding:12px 0">{label}</a>')
    return f'<p style="margin:20px 0 0">{" &nbsp; ".join(parts)}</p>' if parts else ""
