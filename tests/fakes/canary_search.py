"""Where secrets could lie when nobody asks: every table, the lake, every file; and the keys that must not be found there."""

from __future__ import annotations

from pathlib import Path

import psycopg

from resources.control_plane import open_control_plane
from tests.fakes.canaries import Canaries
from tests.fakes.platform import Platform


def plant_keys(platform: Platform, canaries: Canaries) -> None:
    """What lies in HOME/secrets, and the keys that sign tokens, must lie nowhere else: as they are, in hex, in base64."""
    for path in (platform.settings.home / "secrets").glob("[!.]*"):
        content = path.read_bytes()
        if path.name == "encryption.key":  # each key is behind an id of eight bytes, which every ciphertext begins with
            for number, at in enumerate(range(0, len(content), 40)):
                canaries.plant_raw(f"{path.name} {number}", content[at + 8 : at + 40])
        elif content.isascii():
            canaries.plant(path.name, content.decode().strip())
        else:
            canaries.plant_raw(path.name, content)
    with open_control_plane(platform.settings, platform.url) as control:
        for row in control.signing_keys.list_keys():
            canaries.plant_raw(f"signing key {row['key_id']}", control.signing_keys.find(row["key_id"]).secret)


def collect_storage(platform: Platform, canaries: Canaries) -> None:
    with psycopg.connect(platform.url.libpq()) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            with connection.cursor() as cursor:
                rows = cursor.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()  # type: ignore[call-overload]
            for row in rows:
                for cell in row:
                    canaries.keep(
                        f"table {schema}.{table}",
                        (cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "replace")) + b"\n",
                    )
    for table in platform.lake.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")[
        "table_name"
    ]:
        canaries.keep(f"lake {table}", platform.lake.query(f'SELECT * FROM "{table}"').write_csv())
    ledger = platform.lake.query("SELECT reason FROM capture_ledger WHERE reason IS NOT NULL")
    assert ledger.height > 5, "the captures failed with a reason"


def collect_files(folder: Path, canaries: Canaries) -> None:
    """Every file below it, but those whose place the secrets are."""
    for path in folder.rglob("*"):
        if path.is_file() and "secrets" not in path.relative_to(folder).parts:
            canaries.keep(f"file {path.relative_to(folder)}", path.read_bytes())
