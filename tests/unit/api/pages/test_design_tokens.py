"""The colours of both themes are readable: WCAG 2.1 AA, computed from the tokens themselves."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

TOKENS = (files("api.pages") / "static" / "tokens.css").read_text()
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", TOKENS)
}
TEXT = [
    *((ink, on) for ink in ("ink", "ink-2", "ink-3", "accent", "accent-strong") for on in ("ground", "surface", "surface-2", "hover")),
    *((status, on) for status in ("ok", "warn", "bad", "note") for on in ("surface", f"{status}-soft", "hover", "ground", "surface-2")),
    ("accent-ink", "accent"), ("accent-ink", "accent-strong"), ("accent-strong", "accent-soft"), ("ink", "accent-soft"),
    ("ink", "ok-soft"), ("ink", "bad-soft"),
]  # fmt: skip
SHAPES = [
    ("line-strong", "surface"),
    ("line-strong", "ground"),
    ("accent", "surface"),
    ("accent", "ground"),
    ("bad-fill", "surface"),
]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_has_4_5_to_1(front: str, back: str, theme: int) -> None:
    assert contrast(COLOURS[front][theme], COLOURS[back][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), SHAPES)
def test_borders_of_controls_and_focus_have_3_to_1(front: str, back: str, theme: int) -> None:
    assert contrast(COLOURS[front][theme], COLOURS[back][theme]) >= 3.0


def test_styles_and_scripts_are_small() -> None:
    folder = files("api.pages") / "static"
    assert sum(len(one.read_bytes()) for one in folder.iterdir() if one.name.endswith((".css", ".js"))) < 60_000
