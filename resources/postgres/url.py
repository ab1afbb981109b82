"""One PostgreSQL address in the spellings that its readers want: SQLAlchemy, Dagster (psycopg2), libpq (DuckLake)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import ConfigurationError

#: Schemas of the one database. One database, so that one dump is consistent across all of them.
RECORDS_SCHEMA = "etlmon"
DAGSTER_SCHEMA = "dagster"
LAKE_SCHEMA = "lake"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A parsed address. `repr` hides the password."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Read `postgresql://…` in any driver spelling.

        Raises:
            ConfigurationError: not a PostgreSQL URL.
        """
        try:
            url = make_url(text)
        except ArgumentError:
            url = None
        if url is None or url.get_backend_name() != "postgresql":
            raise ConfigurationError(
                "ETLMON_DATABASE_URL is not a PostgreSQL URL",
                suggestion="write postgresql://user:password@host:5432/database",
                variable="ETLMON_DATABASE_URL",
            )
        return cls(url.set(drivername="postgresql"))

    def sqlalchemy(self) -> URL:
        """For our own engines: psycopg 3."""
        return self.url.set(drivername="postgresql+psycopg")

    def dagster(self) -> str:
        """For dagster-postgres: psycopg2, in Dagster's own schema, password included."""
        url = self.url.set(drivername="postgresql+psycopg2")
        return url.update_query_dict({"options": f"-csearch_path={DAGSTER_SCHEMA}"}).render_as_string(
            hide_password=False
        )

    def render(self) -> str:
        """The plain URL, password included: for the environment of child processes."""
        return self.url.render_as_string(hide_password=False)

    def libpq(self) -> str:
        """Keyword form for psycopg and DuckDB's postgres extension, values quoted."""
        query = {k: v if isinstance(v, str) else v[0] for k, v in self.url.query.items()}
        parts = {
            "host": self.url.host,
            "port": str(self.url.port) if self.url.port else None,
            "user": self.url.username,
            "password": self.url.password,
            "dbname": self.url.database,
            **query,
        }
        quoted = {k: str(v).replace("\\", "\\\\").replace("'", "\\'") for k, v in parts.items() if v}
        return " ".join(f"{k}='{v}'" for k, v in quoted.items())

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.url.render_as_string(hide_password=True)})"
