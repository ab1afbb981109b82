"""Credentials recognised by their shape; prose about credentials left alone."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.secret_text import MASK, mask_secret_patterns

BASIC = base64.b64encode(b"ann:hunter2-hunter2").decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.hunter2-hunter2"


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A11")
@pytest.mark.parametrize(
    "text",
    [
        "GET http://ann:hunter2-hunter2@host:9090/x failed", "https://ann:hunt@hunter2-hunter2@host/x",
        "http://host/q?token=hunter2-hunter2&x=1", "http://host/q?x=1&X-Amz-Signature=hunter2-hunter2",
        "http://host/q?api_key=hunter2-hunter2", "http://host/q?a=1;sig=hunter2-hunter2",
        "host=h password=hunter2-hunter2 dbname=d", "host=h password='hunter2 \\' hunter2-hunter2'",
        "Authorization: Bearer hunter2-hunter2", "authorization='Token hunter2-hunter2'",
        'echo {"Authorization": "ApiKey hunter2-hunter2"}', "sent Bearer hunter2-hunter2-hunter2",
        f"sent Basic {BASIC}", f"cookie session={JWT}", "token etlmon_1a2b3c4d5e6f_hunter2-hunter2",
        '{"password": "hunter2-hunter2"}', "{'db_password': 'hunter2-hunter2'}", '{"clientSecret": "hunter2 \\" hunter2-hunter2"}',
    ],
)  # fmt: skip
def test_credentials_are_masked_in_any_text(text: str) -> None:
    shown = mask_secret_patterns(text)
    assert MASK in shown
    assert "hunter2-hunter2" not in shown
    assert BASIC not in shown
    assert mask_secret_patterns(shown) == shown, "masking twice changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        "http://host:9090/x?a=b@c and 12:30 ann@example.org", "basic authentication is off", "bearer tokens expire",
        "send `Authorization: Bearer` with HOME/secrets/push.token", "password: String should have at least 12 characters",
        "etlmon_http_requests_duration_seconds_count", "etlmon_assets.definitions", "http://host/q?query=up&step=15",
        "the token of this user was revoked", '{"hasToChangePassword": true}', "HOME/secrets/encryption.key is gone",
        '["http://a:1", "ann@b"]',
    ],
)  # fmt: skip
def test_prose_is_left_alone(text: str) -> None:
    assert mask_secret_patterns(text) == text


@given(st.text(max_size=300))
def test_any_text_can_be_masked(text: str) -> None:
    assert mask_secret_patterns(mask_secret_patterns(text)) == mask_secret_patterns(text)
