"""Loaded by dbt itself (dbt/profiles.yml): gives dbt's DuckDB the extensions of the lake before it attaches the lake.

Nothing is downloaded where the extension wheels are installed.
"""

from __future__ import annotations

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from resources.lake.connection import extension_path


class Plugin(BasePlugin):
    """Named in the profile by this module."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Called once per connection, before the databases of the profile are attached."""
        attached = (self.creds.attach if self.creds else None) or []
        is_remote = any("://" in str((one.options or {}).get("data_path", "")) for one in attached)
        for name in ("postgres_scanner", "ducklake", *(("httpfs",) if is_remote else ())):
            path = extension_path(name)
            if path is None:
                conn.install_extension(name)
            conn.load_extension(str(path or name))
        conn.execute("SET ducklake_max_retry_count = 100")
