"""The settings that send every channel to the simulated providers: for a demonstration, whose credentials are invented."""

from __future__ import annotations

from resources.simulator.jira import SIMULATED_JIRA_SECRET, SIMULATED_JIRA_TOKEN

SIMULATED_TWILIO_TOKEN = "simulated-auth-token"  # noqa: S105 - of nobody's account


def channel_environment(receivers_url: str, *, smtp_url: str) -> dict[str, str]:
    """Environment variables; `receivers_url` and `smtp_url` as the simulator's endpoint.json has them.

    Calls also need ETLMON_PUBLIC_URL: the address under which the simulated Twilio reaches the API; Jira's webhooks go there too.
    """
    return {
        "ETLMON_TWILIO_ACCOUNT_SID": "ACsimulated",
        "ETLMON_TWILIO_AUTH_TOKEN": SIMULATED_TWILIO_TOKEN,
        "ETLMON_TWILIO_FROM": "+15550100000",
        "ETLMON_TWILIO_URL": f"{receivers_url}/twilio",
        "ETLMON_SLACK_BOT_TOKEN": "xoxb-simulated-token",
        "ETLMON_SLACK_SIGNING_SECRET": "simulated-signing-secret",
        "ETLMON_SLACK_URL": f"{receivers_url}/slack/api",
        "ETLMON_SMTP_URL": smtp_url,
        "ETLMON_PAGERDUTY_ROUTING_KEY": "simulatedroutingkey0000000000000",
        "ETLMON_PAGERDUTY_URL": f"{receivers_url}/pagerduty",
        "ETLMON_OPSGENIE_KEY": "simulated-opsgenie-key",
        "ETLMON_OPSGENIE_URL": f"{receivers_url}/opsgenie",
        "ETLMON_JIRA_URL": f"{receivers_url}/jira",
        "ETLMON_JIRA_USER": "etlmon@example.com",
        "ETLMON_JIRA_TOKEN": SIMULATED_JIRA_TOKEN,
        "ETLMON_JIRA_WEBHOOK_SECRET": SIMULATED_JIRA_SECRET,
        "ETLMON_WEBHOOK_URL": f"{receivers_url}/webhook",
        "ETLMON_WEBHOOK_SECRET": "simulated-webhook-secret",
    }
