"""Mail by SMTP (H5): text and HTML in one, threads by incident, headers that keep automatic answers away.

`smtp://` speaks STARTTLS where the server offers it and insists on it where there is a password; `smtps://` is TLS from the start.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from domain.errors import (
    ConfigurationError,
    SourceAnswerError,
    SourceFailedError,
    SourceTimeoutError,
    SourceTlsError,
    SourceUnreachableError,
)
from domain.notification.addresses import check_mailbox, mask_addresses
from domain.notification.mail_text import render_mail_html
from domain.notification.message import DeliveryRefusedError, Message, Receipt
from domain.notification.texts import render_plain, render_subject, words_of
from domain.vocabulary import Severity
from resources import tracing
from resources.breakers import guard
from resources.delivery_http import Provider, translated
from resources.json_logs import current_correlation_id
from resources.secret_registry import mask_secrets, register_secret


@dataclass(frozen=True, slots=True)
class MailServer:
    """Parsed from the URL: `smtp://user:password@host:587`, `smtps://…:465`; `?ca_file=` trusts another authority."""

    host: str
    port: int
    is_tls: bool
    username: str = ""
    password: SecretStr | None = None
    ca_file: str = ""
    timeout_s: float = 15.0

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """From the setting.

        Raises:
            ConfigurationError: no such URL.
        """
        try:
            parts = urlsplit(url)
            is_tls, port = parts.scheme == "smtps", parts.port
        except ValueError:
            parts, is_tls, port = urlsplit(""), False, None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ConfigurationError(
                "ETLMON_SMTP_URL is no address of a mail server",
                suggestion="write smtp://user:password@host:587 or smtps://user:password@host:465",
                variable="ETLMON_SMTP_URL",
            )
        password = unquote(parts.password or "")
        register_secret(password)
        return cls(
            parts.hostname,
            port or (465 if is_tls else 587),
            is_tls,
            unquote(parts.username or ""),
            SecretStr(password) if password else None,
            parse_qs(parts.query).get("ca_file", [""])[0],
        )


class MailSmtp:
    """A `MessageChannel`."""

    def __init__(self, server: MailServer, *, sender: str) -> None:
        self._server = server
        self._sender = check_mailbox(sender)
        scheme = "smtps" if server.is_tls else "smtp"
        self._provider = Provider("mail", f"{scheme}://{server.host}:{server.port}", server.timeout_s)

    def send(self, message: Message) -> Receipt:
        """Hand it to the server, which answers for it from then on."""
        mail = render_mail(message, sender=self._sender)
        facts: dict[str, str | int] = {"server__address": self._server.host, "server__port": self._server.port}
        with (
            translated(self._provider),
            guard(self._provider.breaker),
            tracing.span("SMTP", kind="client", **facts),
        ):
            self._deliver(mail)
        return Receipt(str(mail["Message-ID"]))

    def _deliver(self, mail: EmailMessage) -> None:
        where = f"{self._server.host}:{self._server.port}"
        try:
            with self._connect() as smtp:
                smtp.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _judge(code, words, "the mail server refuses the recipient") from None
        except (
            smtplib.SMTPSenderRefused,
            smtplib.SMTPDataError,
            smtplib.SMTPConnectError,
            smtplib.SMTPHeloError,
        ) as error:
            raise _judge(error.smtp_code, error.smtp_error, "the mail server refuses the message") from None
        except smtplib.SMTPAuthenticationError as error:
            raise _judge(error.smtp_code, error.smtp_error, "the mail server refuses the login") from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryRefusedError(
                f"{where} offers no TLS or no login, and the password is not sent in clear",
                suggestion="use the port for submission (587 or 465), or a URL without a password",
                provider="mail",
            ) from None
        except ssl.SSLError as error:
            raise SourceTlsError(
                f"no trusted TLS connection to {where}: {error.reason}",
                suggestion="correct smtp/smtps, or add ?ca_file= to ETLMON_SMTP_URL",
            ) from None
        except TimeoutError:
            raise SourceTimeoutError(f"{where} did not answer in time", suggestion="wait") from None
        except smtplib.SMTPServerDisconnected:
            raise SourceAnswerError(f"{where} hung up in the middle", suggestion="is it running?") from None
        except (OSError, smtplib.SMTPException) as error:
            why = str(error.strerror or type(error).__name__)
            raise SourceUnreachableError(f"cannot talk to {where}: {why}", suggestion="is it running?") from None

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        trust = ssl.create_default_context(cafile=server.ca_file or None)
        if server.is_tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_s, context=trust)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        try:
            smtp.ehlo_or_helo_if_needed()
            if not server.is_tls and (server.username or smtp.has_extn("starttls")):
                smtp.starttls(context=trust)
            if server.username:
                smtp.login(server.username, server.password.get_secret_value() if server.password else "")
        except BaseException:
            smtp.close()
            raise
        return smtp


def _judge(code: int, words: bytes | str, what: str) -> Exception:
    """4xx passes, 5xx does not (RFC 5321 4.2.1). The words of a server may repeat addresses."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    told = mask_addresses(mask_secrets(" ".join(text.split())))[:200]
    if code < 500:
        return SourceFailedError(f"{what} for now ({code}): {told}", suggestion="wait")
    return DeliveryRefusedError(
        f"{what} ({code}): {told}",
        suggestion="correct the address, the sender or the login",
        provider="mail",
        code=code,
    )


def render_mail(message: Message, *, sender: str) -> EmailMessage:
    """The mail: the same message gives the same Message-ID, messages of an incident one thread."""
    recipient = check_mailbox(message.address)
    words = words_of(message)
    host = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["Subject"] = render_subject(words)
    mail["From"] = Address("ETL Monitor", addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = f"<{hashlib.sha256(message.idempotency_key.encode()).hexdigest()[:40]}@{host}>"
    if re.fullmatch(r"INC-\d+", words.code):
        thread = f"<{words.code.lower()}.incident@{host}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
        mail["X-Etlmon-Incident"] = words.code
    if correlation_id := current_correlation_id():
        mail["X-Correlation-ID"] = correlation_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if words.severity is Severity.CRITICAL and words.is_asking and not words.is_drill:
        mail["Importance"] = "high"
    mail.set_content(render_plain(words), cte="quoted-printable")
    mail.add_alternative(render_mail_html(words), subtype="html", cte="quoted-printable")
    return mail
