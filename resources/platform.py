"""Opening the platform's storage for one process: database first, then the lake. Used by every entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from domain.errors import NotFoundError
from resources.lake.connection import Lake, open_lake
from resources.postgres.embedded import running_postgres
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings


@contextmanager
def open_database(settings: Settings) -> Iterator[DatabaseUrl]:
    """The configured PostgreSQL, or the embedded one kept running for the length of the block."""
    if settings.database_url is not None:
        context = nullcontext(DatabaseUrl.parse(settings.database_url.get_secret_value()))
    else:
        context = running_postgres(settings.home)  # type: ignore[assignment]
    with context as url:
        yield url


def prepare_storage(settings: Settings, url: DatabaseUrl) -> None:
    """Schemas, migrations of the records and of the lake. Idempotent."""
    from resources.lake.schema import migrate_lake
    from resources.loaders.previous_release import bring_rows_up
    from resources.postgres.migrate import migrate

    migrate(url)
    bring_rows_up(settings, url)
    with open_lake(settings, url) as lake:
        migrate_lake(lake)


@contextmanager
def open_platform(
    settings: Settings, *, is_read_only: bool = False, prepare: Callable[[Settings, DatabaseUrl], None] | None = None
) -> Iterator[tuple[DatabaseUrl, Lake]]:
    """Database and lake, closed in reverse order; `prepare` runs between the two (`prepare_storage` migrates).

    Raises:
        NotFoundError: reading only, from a home that was never started; nothing is made there.
    """
    if is_read_only and settings.database_url is None and not (settings.home / "instance_id").exists():
        raise NotFoundError(
            f"{settings.home} is no home of a platform",
            suggestion="point --home or ETLMON_HOME to the right folder, or start one there: `etlmon up`",
        )
    with open_database(settings) as url:
        if prepare:
            prepare(settings, url)
        with open_lake(settings, url, is_read_only=is_read_only) as lake:
            yield url, lake
