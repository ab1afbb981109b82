"""Templates: whatever comes from people is escaped, and nothing in them needs more than the content policy allows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from api.pages.code_colours import colour_code
from api.pages.questions import Question
from api.pages.rendering import make_environment
from api.pages.static_files import StaticFiles
from domain.access.permissions import Caller, Role

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
TEMPLATES = sorted(one.name for one in (files("api.pages") / "templates").iterdir() if one.name.endswith(".html"))
ENVIRONMENT = make_environment(StaticFiles())


def render(source: str, **facts: Any) -> str:
    known = {
        "me": Caller(HOSTILE, Role.ADMIN, session_id="s"), "can": lambda *_: True, "navigation": [], "is_current": lambda _: False,
        "path": f"/{HOSTILE}", "here": f"/?q={HOSTILE}", "with_query": lambda **_: f"/?q={HOSTILE}", "theme": "auto", "keys_on": True,
        "csrf_token": "t", "environment": HOSTILE,
        "correlation_id": HOSTILE, "version": "1", "flash": None, "crumbs": [(HOSTILE, "/"), (HOSTILE, "")],
        "now": datetime(2026, 11, 23, tzinfo=UTC),
    }  # fmt: skip
    return ENVIRONMENT.from_string(source).render(known | facts)


def assert_harmless(html: str) -> None:
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "49" not in html
    assert not re.search(r'="[^"]*"\'><', html)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles_and_needs_no_inline_script_or_style(name: str) -> None:
    text = (files("api.pages") / "templates" / name).read_text()
    ENVIRONMENT.get_template(name)
    assert not re.search(r"\|\s*safe|autoescape|Markup", text), "nothing is exempt from escaping"
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"(?:href|src)=\"(?:https?:)?//", text), "nothing from elsewhere"
    assert (
        not re.search(r"<form(?=[^>]*method=\"post\")(?:(?!</form>|csrf).)*</form>", text, re.DOTALL)
        or name in {"login.html", "ack.html"}  # the one has no session yet, the other's address is its secret
    )


def test_parts_escape_what_they_show() -> None:
    parts = (
        '{% from "parts.html" import field, area, select, badge, alert, masked, code, diff_table, pager, sort_head with context %}'
        "{{ field(x, x, x, x, x, placeholder=x) }}{{ area(x, x, x, x, x) }}{{ select(x, x, [(x, x)], x, x, x) }}{{ badge('ok', x) }}"
        '{{ alert("bad", x, x, x) }}{{ masked(x) }}{{ code(x, "sql", x) }}{{ code(x, "json", x) }}'
        '{{ code(x, "yaml", x) }}{{ code(x, "promql", x) }}'
        '{{ diff_table([{"path": x, "old": x, "new": x}], x, x) }}{{ pager(900, 100, 100, x) }}{{ sort_head(x, x, x) }}'
    )
    assert_harmless(render(parts, x=HOSTILE))


def test_pages_escape_what_they_show() -> None:
    question = Question(HOSTILE, [HOSTILE], HOSTILE, "/", hidden={HOSTILE: HOSTILE}, reason=HOSTILE, hash=HOSTILE)
    flash = {"kind": "ok", "title": HOSTILE, "text": HOSTILE, "secret": HOSTILE}
    for name in ("question.html", "error.html", "login.html"):
        facts = dict.fromkeys(
            ("title", "number", "reason", "suggestion", "retry_after", "next_path", "username"), HOSTILE
        )
        html = render(f"{{% include '{name}' %}}", question=question, flash=flash, error=None, has_oidc=True, **facts)
        assert_harmless(html)


@pytest.mark.parametrize("language", ["sql", "promql", "json", "yaml", "unknown"])
@pytest.mark.parametrize(
    "code", [HOSTILE, f'"{HOSTILE}', f"-- {HOSTILE}", f"a: {HOSTILE}", "<" * 70_000, '"\\' * 29_000, "'\\" * 29_000]
)
def test_coloured_code_is_escaped_and_says_the_same(code: str, language: str) -> None:
    html = str(colour_code(code, language))
    assert "<script>" not in html
    assert "<img" not in html
    plain = re.sub(r"</?span[^>]*>", "", html)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        plain = plain.replace(entity, character)
    assert plain == code
