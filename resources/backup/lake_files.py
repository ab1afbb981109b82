"""Which files a snapshot of the lake's catalog refers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from domain.errors import ConfigurationError, StorageError
from resources.settings import Settings

_FILES = """
WITH files AS (
    SELECT table_id, path, path_is_relative FROM lake.ducklake_data_file
    UNION ALL SELECT table_id, path, path_is_relative FROM lake.ducklake_delete_file)
SELECT CASE WHEN NOT f.path_is_relative THEN f.path
            WHEN NOT t.path_is_relative THEN t.path || f.path
            WHEN NOT s.path_is_relative THEN s.path || t.path || f.path
            ELSE m.value || s.path || t.path || f.path END AS path
FROM files AS f
JOIN (SELECT DISTINCT ON (table_id) * FROM lake.ducklake_table ORDER BY table_id, begin_snapshot DESC) AS t USING (table_id)
JOIN (SELECT DISTINCT ON (schema_id) * FROM lake.ducklake_schema ORDER BY schema_id, begin_snapshot DESC) AS s
  USING (schema_id)
CROSS JOIN (SELECT value FROM lake.ducklake_metadata WHERE key = 'data_path') AS m
ORDER BY 1
"""


def check_lake_is_local(settings: Settings) -> None:
    """Only a lake in a folder goes into a backup.

    Raises:
        ConfigurationError: the lake is in an object store.
    """
    if "://" in settings.lake_data_path:
        raise ConfigurationError(
            f"the lake is in an object store ({settings.lake_data_path}), which a backup file cannot hold",
            suggestion="use the versioning of the store for the lake, and pg_dump for the database",
        )


def list_lake_files(connection: psycopg.Connection[Any], settings: Settings) -> list[Path]:
    """Paths inside the lake's folder of every data and delete file that the catalog knows, as this transaction sees it.

    Raises:
        StorageError: a file lies outside of the lake's folder.
    """
    root = settings.lake_data_path
    paths = [str(row[0]) for row in connection.execute(_FILES)]
    strangers = [path for path in paths if not path.startswith(root)]
    if strangers:
        raise StorageError(
            f"{len(strangers)} files of the lake lie outside of {root}, for example {strangers[0]}",
            suggestion="set ETLMON_LAKE_PATH to the folder that the lake was made in",
        )
    return [Path(path.removeprefix(root)) for path in paths]


def check_files_exist(settings: Settings, files: list[Path]) -> None:
    """Make sure that every file is there.

    Raises:
        StorageError: naming the first that is gone.
    """
    root = Path(settings.lake_data_path)
    missing = [path for path in files if not (root / path).is_file()]
    if missing:
        raise StorageError(
            f"{len(missing)} of {len(files)} files of the lake are gone, for example {root / missing[0]}",
            suggestion="the lake is damaged: restore an older backup, or run `etlmon doctor`",
        )
