"""`python -m resources.launch.seed [--demo]`: bring the rule files in as loader versions; says what happened as JSON."""

from __future__ import annotations

import json
import sys

from domain.errors import EtlmonError
from resources.clock import utc_now
from resources.lake.connection import open_lake
from resources.loaders.seed_files import describe_waiting, read_seed_files
from resources.loaders.versions import load_loader_versions
from resources.platform import open_database
from resources.postgres.engine import make_engine
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings, load_settings


def seed(settings: Settings, *, is_demo: bool) -> dict[str, object]:
    """Seed every definition that can run here; a broken file is named and left out, the version that runs stays.

    While a file is broken nothing is archived: it may be the one of a loader that runs.
    """
    files = read_seed_files(settings, is_demo=is_demo)
    now = utc_now()
    with open_database(settings) as url:
        engine = make_engine(url)
        try:
            versions = load_loader_versions(settings.home, engine)
            versions.rewrite_old_rows()
            results = versions.seed(files.usable, at=now)
            is_sure = bool(files.codes) and not files.broken
            retired = versions.retire_vanished(files.codes, at=now) if is_sure else []
        finally:
            engine.dispose()
        if retired:
            _forget_watermarks(settings, url, retired)
    return {
        "definitions": len(results),
        "changed": sum(result.action != "unchanged" for result in results),
        "broken": files.broken,
        "left_out": describe_waiting(settings, files),
        "retired": retired,
    }


def _forget_watermarks(settings: Settings, url: DatabaseUrl, codes: list[str]) -> None:
    """Who captures no more is not behind."""
    with open_lake(settings, url) as lake:
        lake.write(
            "signals", lambda one: one.execute("DELETE FROM watermarks WHERE list_contains(?, loader_code)", [codes])
        )


def main() -> int:
    """0 with the result on stdout; 1 with the reason on stderr."""
    try:
        print(json.dumps(seed(load_settings(), is_demo="--demo" in sys.argv)))
    except EtlmonError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
