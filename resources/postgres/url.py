"""One PostgreSQL address in the spellings that its readers want: SQLAlchemy, Dagster (psycopg2), libpq (DuckLake).

Standard library only: `etlmon query` and the lake start without SQLAlchemy.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

#: Schemas of the one database. One database, so that one dump is consistent across all of them.
RECORDS_SCHEMA = "etlmon"
DAGSTER_SCHEMA = "dagster"
LAKE_SCHEMA = "lake"
_SCHEMES = {"postgresql", "postgres"}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A parsed address. `repr` hides the password."""

    host: str
    database: str
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Read `postgresql://user:password@host:port/database?option=value`, with any `+driver` or none.

        Raises:
            ConfigurationError: not a PostgreSQL URL.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme.split("+")[0] not in _SCHEMES:
            raise ConfigurationError(
                "ETLMON_DATABASE_URL is not a PostgreSQL URL",
                suggestion="write postgresql://user:password@host:5432/database",
                variable="ETLMON_DATABASE_URL",
            )
        decoded = {
            name: unquote(value) if value else None for name, value in (("u", parts.username), ("p", parts.password))
        }
        host, options = unquote(parts.hostname or ""), tuple(parse_qsl(parts.query))
        if host.startswith("/"):  # a socket folder: drivers agree on it only as an option
            host, options = "", (("host", unquote(parts.netloc.rpartition("@")[2].partition(":")[0])), *options)
        return cls(
            host=host, database=unquote(parts.path.lstrip("/")), port=port, username=decoded["u"],
            password=decoded["p"], options=options,
        )  # fmt: skip

    def with_database(self, database: str) -> DatabaseUrl:
        """The same server, another database."""
        return replace(self, database=database)

    def without_password(self) -> DatabaseUrl:
        """For command lines, which everybody on the machine can read; the password goes through PGPASSWORD."""
        return replace(self, password=None)

    def render(self, *, driver: str = "postgresql") -> str:
        """The URL, password included: for drivers and the environment of child processes."""
        user = quote(self.username or "", safe="")
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        at = f"{user}{secret}@" if user else ""
        port = f":{self.port}" if self.port else ""
        query = f"?{urlencode(self.options)}" if self.options else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{driver}://{at}{host}{port}/{quote(self.database, safe='')}{query}"

    def sqlalchemy(self) -> URL:
        """For our own engines: psycopg 3."""
        from sqlalchemy.engine import make_url

        return make_url(self.render(driver="postgresql+psycopg"))

    def dagster(self) -> str:
        """For dagster-postgres: psycopg2, in Dagster's own schema, password included."""
        kept = tuple(option for option in self.options if option[0] != "options")
        return replace(self, options=(*kept, ("options", f"-csearch_path={DAGSTER_SCHEMA}"))).render(
            driver="postgresql+psycopg2"
        )

    def libpq(self) -> str:
        """Keyword form for psycopg and DuckDB's postgres extension, values quoted."""
        port = str(self.port) if self.port else None
        parts = {
            "host": self.host,
            "port": port,
            "user": self.username,
            "password": self.password,
            "dbname": self.database,
        }
        quoted = {
            k: v.replace("\\", "\\\\").replace("'", "\\'") for k, v in {**parts, **dict(self.options)}.items() if v
        }
        return " ".join(f"{k}='{v}'" for k, v in quoted.items())
