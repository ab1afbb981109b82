"""The channels that the settings set up. What is not configured is not there; the rest of the flow deals with that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic import SecretStr

from domain.notification.message import Channel, Message, Receipt
from domain.notification.texts import ASKING, incident_number
from domain.ports import MessageChannel, SearchableChannel
from resources.ack_links import AckLinks
from resources.aws_signature import AwsCredentials
from resources.chat_slack import ChatSlack, Earlier, SlackWorkspace
from resources.clock import utc_now
from resources.json_logs import get_logger
from resources.mail_smtp import MailServer, MailSmtp
from resources.paging_opsgenie import OpsgenieTeam, PagingOpsgenie
from resources.paging_pagerduty import PagerDutyService, PagingPagerDuty
from resources.secret_registry import register_secret
from resources.settings import Settings
from resources.sms_sns import SmsSns, SmsWithSecond, SnsAccount
from resources.sms_twilio import SmsTwilio
from resources.twilio_door import TwilioAccount
from resources.voice_twilio import VoiceTwilio
from resources.webhook_http import WebhookHttp, WebhookTarget

_SECRETS = (
    "twilio_auth_token",
    "twilio_auth_token_old",
    "sns_secret_access_key",
    "slack_bot_token",
    "slack_signing_secret",
    "slack_webhook_url",
    "pagerduty_routing_key",
    "opsgenie_key",
    "webhook_url",
    "webhook_secret",
)


class WithAckLink:
    """Adds the acknowledgement link at the moment of sending, so that no token is ever stored in the outbox."""

    def __init__(self, channel: MessageChannel, links: AckLinks, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._channel = channel
        self._links = links
        self._clock = clock

    def send(self, message: Message) -> Receipt:
        """See `MessageChannel`."""
        return self._channel.send(self._with_link(message))

    def find(self, message: Message) -> Receipt | None:
        """See `SearchableChannel`; None where the channel is none."""
        return self._channel.find(self._with_link(message)) if isinstance(self._channel, SearchableChannel) else None

    def _with_link(self, message: Message) -> Message:
        incident_id = incident_number(str(message.facts.get("code", "")))
        if incident_id is None or message.kind not in ASKING or message.facts.get("ack_url"):
            return message
        url = self._links.url_for(incident_id, recipient=message.recipient, now=self._clock())
        return replace(message, facts={**message.facts, "ack_url": url})


def ack_links_of(settings: Settings) -> AckLinks:
    """The links of this installation. Without a public URL they point to the API's own address."""
    public_url = settings.public_url or f"http://{settings.api_host}:{settings.api_port}"
    return AckLinks(settings.home, public_url=public_url, hours=settings.ack_link_hours)


def channels_of(
    settings: Settings, *, earlier: Earlier = lambda _: None, clock: Callable[[], datetime] = utc_now
) -> dict[Channel, MessageChannel]:
    """Every channel that is configured, ready to send. No request is made.

    Args:
        earlier: the provider id of the first message that went out about the same incident by the same channel to the same
            recipient: Slack changes that one instead of posting another.

    Raises:
        ConfigurationError: a setting that is there is wrong.
    """
    for name in _SECRETS:
        value: SecretStr | None = getattr(settings, name)
        if value:
            register_secret(value.get_secret_value())
    found: dict[Channel, MessageChannel | None] = {
        Channel.VOICE: _voice(settings),
        Channel.SMS: _sms(settings, clock),
        Channel.EMAIL: MailSmtp(MailServer.parse(settings.smtp_url.get_secret_value()), sender=settings.smtp_from)
        if settings.smtp_url
        else None,
        Channel.SLACK: _slack(settings, earlier),
        Channel.PAGERDUTY: PagingPagerDuty(PagerDutyService(settings.pagerduty_routing_key, settings.pagerduty_url))
        if settings.pagerduty_routing_key
        else None,
        Channel.OPSGENIE: PagingOpsgenie(OpsgenieTeam(settings.opsgenie_key, settings.opsgenie_url))
        if settings.opsgenie_key
        else None,
        Channel.WEBHOOK: WebhookHttp(WebhookTarget(settings.webhook_url, settings.webhook_secret), clock=clock)
        if settings.webhook_secret
        else None,
    }
    links = ack_links_of(settings)
    return {name: WithAckLink(one, links, clock=clock) for name, one in found.items() if one is not None}


def twilio_account_of(settings: Settings) -> TwilioAccount | None:
    """The account; None where a part of it is not set."""
    if not (settings.twilio_account_sid and settings.twilio_auth_token and settings.twilio_from):
        return None
    return TwilioAccount(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        settings.twilio_from,
        public_url=settings.public_url,
        base_url=settings.twilio_url,
    )


def _voice(settings: Settings) -> MessageChannel | None:
    account = twilio_account_of(settings)
    if account is None:
        return None
    if not account.public_url:
        get_logger(__name__).warning("no calls: Twilio cannot reach this API without ETLMON_PUBLIC_URL")
        return None
    return VoiceTwilio(account)


def _sms(settings: Settings, clock: Callable[[], datetime]) -> MessageChannel | None:
    account = twilio_account_of(settings)
    twilio = SmsTwilio(account) if account else None
    sns = None
    if settings.sns_region and settings.sns_access_key_id and settings.sns_secret_access_key:
        credentials = AwsCredentials(settings.sns_access_key_id, settings.sns_secret_access_key)
        sns = SmsSns(SnsAccount(settings.sns_region, credentials, settings.sns_url or ""), clock=clock)
    if twilio and sns:
        return SmsWithSecond(twilio, sns) if settings.sms_provider == "twilio" else SmsWithSecond(sns, twilio)
    return twilio or sns


def _slack(settings: Settings, earlier: Earlier) -> MessageChannel | None:
    if not (settings.slack_bot_token or settings.slack_webhook_url):
        return None
    workspace = SlackWorkspace(settings.slack_bot_token, settings.slack_webhook_url, settings.slack_url)
    return ChatSlack(workspace, earlier=earlier)
