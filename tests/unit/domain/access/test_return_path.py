"""A login never sends the browser to another server."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.return_path import parse_return_path


@pytest.mark.parametrize("path", ["/", "/loaders", "/loaders/A-1/versions?state=DRAFT&x=%20", "/a//b", "/~x/(y)"])
def test_paths_of_ours_are_kept(path: str) -> None:
    assert parse_return_path(path) == path


@pytest.mark.parametrize(
    "evil",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example",
     "/\n/evil.example", " /x", "", "evil", "/x\r\nSet-Cookie: a=b", "/x\\..\\..", "/x\x00", "/" + "x" * 600],
)  # fmt: skip
def test_everything_else_leads_home(evil: str) -> None:
    assert parse_return_path(evil) == "/"


@given(st.text(alphabet="/\\.:@?#%\t\n ehttpsx", max_size=30))
def test_whatever_is_given_a_browser_stays_here(text: str) -> None:
    browsers = parse_return_path(text).replace("\\", "/").replace("\t", "").replace("\n", "")
    assert urlsplit(urljoin("https://here.example/login", browsers)).netloc == "here.example"
