"""Replies go to Slack alone, whatever address a request carries."""

from __future__ import annotations

import pytest

from resources.inbound.slack_reply import is_slack_address

SLACK = "https://slack.com/api"


@pytest.mark.requirement("H5")
@pytest.mark.parametrize(
    ("url", "is_theirs"),
    [
        ("https://hooks.slack.com/actions/T1/2/3", True),
        ("http://hooks.slack.com/actions/T1/2/3", False),
        ("https://hooks.slack.com.evil.example/x", False),
        ("https://hooks.slack.com@evil.example/x", False),
        ("https://hooks.slack.com:444/x", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("file:///etc/passwd", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_where_a_reply_may_go(url: str, is_theirs: bool) -> None:
    assert is_slack_address(url, slack_url=SLACK) is is_theirs


def test_the_simulated_slack_is_slack_where_the_settings_say_so() -> None:
    assert is_slack_address(
        "http://127.0.0.1:99/receivers/slack/hooks/x", slack_url="http://127.0.0.1:99/receivers/slack/api"
    )
    assert not is_slack_address("http://127.0.0.1:98/receivers/slack/hooks/x", slack_url="http://127.0.0.1:99/api")
