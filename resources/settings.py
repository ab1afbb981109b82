"""All configuration: environment variables `ETLMON_*` or a `.env`, in one frozen model. No variable is needed to run."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import ConfigurationError
from domain.loaders.definition import Connection
from resources.secret_registry import register_connection

_URL = r"^https?://[^\s?#@]+$"


def default_home() -> Path:
    """Where state lives when nobody says otherwise: `.etlmon` in the working folder."""
    return Path.cwd() / ".etlmon"


class Settings(BaseSettings):
    """Every setting, with its default. `etlmon doctor` checks them; README has the table made from this model."""

    model_config = SettingsConfigDict(env_prefix="ETLMON_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=default_home, description="folder of the embedded database, lake, logs and secrets"
    )
    database_url: SecretStr | None = Field(
        default=None, description="external PostgreSQL (postgresql://user:password@host/db); unset: the embedded one"
    )
    lake_path: str | None = Field(default=None, description="folder or s3:// prefix of the lake; unset: HOME/lake")
    lake_memory: str = Field(
        default="2GB",
        pattern=r"^[0-9.]+( ?[KMGT]i?B|%)$",
        description="memory limit of one lake connection (DuckDB notation)",
    )
    lake_threads: int = Field(default=0, ge=0, description="threads of one lake connection; 0: all cores, at most 4")
    api_host: str = Field(default="127.0.0.1", description="address the API binds to")
    api_port: int = Field(default=8080, ge=1, le=65535, description="port of the API and its pages")
    ui_port: int = Field(default=3000, ge=1, le=65535, description="port of the Dagster UI")
    environment: str = Field(
        default="",
        max_length=40,
        description="name of this installation on its pages (production, staging); empty: none",
    )
    api_workers: int = Field(default=1, ge=1, le=16, description="processes that serve the API; they share one port")
    tls_cert_file: Path | None = Field(
        default=None, description="PEM certificate chain; with its key the API speaks HTTPS only"
    )
    tls_key_file: Path | None = Field(default=None, description="PEM private key of `ETLMON_TLS_CERT_FILE`")
    allowed_hosts: str = Field(
        default="",
        description="host names the API answers to, comma-separated; IP addresses and names without a dot always, `*`: any",
    )
    trusted_proxies: str = Field(
        default="", description="addresses of proxies whose X-Forwarded-For counts, comma-separated; empty: nobody's"
    )
    cors_origins: str = Field(
        default="", description="origins whose pages may call the API, comma-separated; empty: none"
    )
    rate_limit_per_minute: int = Field(
        default=100, ge=1, le=1_000_000, description="requests a minute of one user, or of one address without login"
    )
    redis_url: SecretStr | None = Field(
        default=None, description="Redis or Valkey that shares rate limits between processes; unset: each counts alone"
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="bearer token of /metrics; unset: open on loopback, elsewhere for logged-in users"
    )
    prometheus_url: str | None = Field(default=None, description="the connection named `prometheus`")
    elasticsearch_url: str | None = Field(default=None, description="the connection named `elasticsearch`")
    connections_file: Path | None = Field(
        default=None, description="YAML of further named connections; unset: HOME/connections.yaml"
    )
    rules_path: Path | None = Field(default=None, description="folder of rule files; unset: the ones shipped")
    capture_concurrency: int = Field(
        default=16, ge=1, le=256, description="loaders captured at the same time in one run"
    )
    retention_raw_days: int = Field(default=90, ge=1, description="days raw signals are kept")
    retention_rollup_days: int = Field(default=730, ge=1, description="days hourly rollups are kept")
    retention_log_days: int = Field(default=30, ge=1, description="days captured log lines are kept")
    retention_ledger_days: int = Field(default=120, ge=1, description="days of capture attempts and quarantine kept")
    retention_login_days: int = Field(default=400, ge=1, description="days of login attempts and ended sessions kept")
    retention_message_days: int = Field(
        default=400, ge=1, description="days of sent messages, deliveries of others and decisions about alerts kept"
    )
    retention_run_days: int = Field(default=7, ge=1, description="days of Dagster runs and their events kept")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    demo_days: int = Field(
        default=30, ge=1, le=90, description="days of history of the synthetic estate, at its first start"
    )
    push_max_batch: int = Field(default=10_000, ge=1, description="signals in one request of the push API")
    breaker_failure_rate_pct: float = Field(
        default=50.0, gt=0, le=100, description="share of failed calls at which a source's circuit breaker opens"
    )
    breaker_slow_call_s: float = Field(default=5.0, gt=0, description="a call to a source that lasts longer is slow")
    breaker_slow_rate_pct: float = Field(
        default=100.0, gt=0, le=100, description="share of slow calls at which a circuit breaker opens"
    )
    breaker_wait_s: float = Field(default=60.0, gt=0, description="how long an open circuit breaker stays open")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+$",
        description="address under which browsers reach the API (https://etlmon.example.com); unset: the one they ask for",
    )
    login_failures_per_ip: int = Field(
        default=50, ge=1, description="failed logins from one address in 15 minutes, then it has to wait"
    )
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="issuer of the identity provider; people may then log in by it",
    )
    oidc_client_id: str | None = Field(default=None, description="our name at the identity provider")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="our secret there; unset: a public client (PKCE alone)"
    )
    oidc_role_claim: str = Field(default="groups", description="claim of the id token that decides about the role")
    oidc_roles: str = Field(
        default="",
        description="value of that claim = role, comma-separated (ops-admins=ADMIN,ops=OPERATOR); others do not get in",
    )
    oidc_auto_create: bool = Field(
        default=False, description="whether somebody unknown to us becomes a user at his first login by the provider"
    )

    twilio_account_sid: str | None = Field(default=None, description="Twilio account for calls and SMS; unset: neither")
    twilio_auth_token: SecretStr | None = Field(
        default=None, description="its auth token; its webhooks are signed with it"
    )
    twilio_auth_token_old: SecretStr | None = Field(
        default=None, description="the former one during a rotation: its webhooks are still accepted"
    )
    twilio_from: str | None = Field(
        default=None, pattern=r"^\+[1-9][0-9]{6,14}$", description="our number there (+14155550100)"
    )
    twilio_url: str = Field(default="https://api.twilio.com", pattern=_URL, description="address of its API")
    sms_provider: Literal["twilio", "sns"] = Field(
        default="twilio", description="who sends SMS first where both are set up; the other takes what it does not take"
    )
    sns_region: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]+$", description="AWS region of SNS for SMS; unset: none"
    )
    sns_access_key_id: str | None = Field(default=None, description="AWS access key that may sns:Publish")
    sns_secret_access_key: SecretStr | None = Field(default=None, description="its secret")
    sns_url: str | None = Field(default=None, pattern=_URL, description="address of SNS; unset: that of the region")
    slack_bot_token: SecretStr | None = Field(
        default=None, description="Slack bot token (xoxb-…, scopes chat:write, channels:history, groups:history)"
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None, description="signs Slack's requests when a button is pressed"
    )
    slack_webhook_url: SecretStr | None = Field(
        default=None, description="Slack incoming webhook: instead of a bot, and where the bot is not let in"
    )
    slack_url: str = Field(default="https://slack.com/api", pattern=_URL, description="address of Slack's Web API")
    smtp_url: SecretStr | None = Field(
        default=None, description="mail server: smtp://user:password@host:587 or smtps://…:465; unset: no mail"
    )
    smtp_from: str = Field(default="etlmon@localhost", description="sender of mails")
    pagerduty_routing_key: SecretStr | None = Field(
        default=None, description="PagerDuty Events v2 key of recipients without their own; unset: no PagerDuty"
    )
    pagerduty_url: str = Field(
        default="https://events.pagerduty.com", pattern=_URL, description="address of PagerDuty's events API"
    )
    opsgenie_key: SecretStr | None = Field(
        default=None, description="Opsgenie API key of recipients without their own; unset: no Opsgenie"
    )
    opsgenie_url: str = Field(default="https://api.opsgenie.com", pattern=_URL, description="address of Opsgenie's API")
    webhook_url: SecretStr | None = Field(
        default=None, description="where webhooks go for recipients without an address of their own"
    )
    webhook_secret: SecretStr | None = Field(default=None, description="signs outgoing webhooks; unset: none are sent")
    jira_url: str | None = Field(
        default=None, pattern=_URL, description="address of Jira (https://example.atlassian.net); unset: no tickets"
    )
    jira_user: str | None = Field(
        default=None, description="mail address of our account there; unset: the token is a bearer token"
    )
    jira_token: SecretStr | None = Field(
        default=None, description="its API token; unset: the content of HOME/secrets/jira.token"
    )
    jira_webhook_secret: SecretStr | None = Field(
        default=None, description="signs the webhooks of Jira; unset: changes there are only polled"
    )
    ack_link_hours: int = Field(
        default=24, ge=1, le=720, description="how long the acknowledgement link in a message works"
    )

    @property
    def lake_data_path(self) -> str:
        """Folder or prefix of the Parquet files, ending in a slash."""
        return f"{(self.lake_path or str(self.home / 'lake')).rstrip('/')}/"

    @property
    def connections_path(self) -> Path:
        """The YAML file of named connections; it need not exist."""
        return self.connections_file or self.home / "connections.yaml"

    @cached_property
    def connections(self) -> dict[str, Connection]:
        """Named connections: those of a running demo, then the connections file, then the two well-known ones of the environment.

        Raises:
            ConfigurationError: the file is not YAML, or a connection in it has a wrong field.
        """
        found: dict[str, Connection] = {}
        for path in (self.home / "run" / "connections.yaml", self.connections_path):
            found |= self._read_connections(path)
        if self.prometheus_url:
            found["prometheus"] = Connection(url=self.prometheus_url)
        if self.elasticsearch_url:
            found["elasticsearch"] = Connection(url=self.elasticsearch_url)
        for one in found.values():
            register_connection(one)
        return found

    @staticmethod
    def _read_connections(path: Path) -> dict[str, Connection]:
        found: dict[str, Connection] = {}
        if path.exists():
            try:
                raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
                found = {str(name): Connection.model_validate(body) for name, body in raw.items()}
            except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
                raise ConfigurationError(
                    f"{path}: {_describe(error)}",
                    suggestion="write `name: {url: http://host:9090}` per connection",
                    file=str(path),
                ) from None
        return found


def _describe(error: Exception) -> str:
    """What is wrong with a file of connections, never with a value of it: that may be a password."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{error.title}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(error, yaml.MarkedYAMLError):
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return f"line {line}: {error.problem}"
    if isinstance(error, AttributeError):
        return "a mapping of names to connections is expected"
    return type(error).__name__ if isinstance(error, ValueError) else str(error)


def load_settings(**overrides: object) -> Settings:
    """Read the environment once, at the edge of a process.

    Raises:
        ConfigurationError: naming the variable, the value's fault and the remedy.
    """
    given = {k: v for k, v in overrides.items() if v is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
        if (demo := demo_file(settings.home.expanduser())).exists():
            settings = Settings(_env_file=(demo, ".env"), **given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "ETLMON_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(
            f"{name}: {first['msg']}",
            suggestion="correct or unset the variable; the README lists all of them",
            variable=name,
        ) from None
    return settings.model_copy(update={"home": settings.home.expanduser().resolve()})


def demo_file(home: Path) -> Path:
    """The settings of a demo while it runs: every command on its home sees the simulated channels as the platform does."""
    return home / "run" / "demo.env"


def export_environment(settings: Settings) -> dict[str, str]:
    """The environment a child process needs to see the same settings."""
    values = {
        f"ETLMON_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
    }
    return {**os.environ, **values}
