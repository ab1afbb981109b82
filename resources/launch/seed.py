"""`python -m resources.launch.seed [--demo]`: bring the rule files in as loader versions; says what happened as JSON."""

from __future__ import annotations

import json
import sys

from domain.errors import EtlmonError, RuleFileError
from domain.loaders.definition import LoaderDefinition
from resources.clock import utc_now
from resources.loaders.versions import load_loader_versions
from resources.platform import open_database
from resources.postgres.engine import make_engine
from resources.rule_files import load_rule_folder, shipped_rules
from resources.settings import Settings, load_settings

_DEMO_PREFIX = "demo-"


def seed(settings: Settings, *, is_demo: bool) -> dict[str, object]:
    """Seed every readable definition; a broken file is named and left out, the version that runs stays."""
    loaded = load_rule_folder((settings.rules_path or shipped_rules()) / "loaders", LoaderDefinition)
    usable = [
        one
        for path, one in loaded.items()
        if isinstance(one, LoaderDefinition) and (is_demo or not path.name.startswith(_DEMO_PREFIX))
    ]
    with open_database(settings) as url:
        engine = make_engine(url)
        try:
            versions = load_loader_versions(settings.home, engine)
            versions.rewrite_old_rows()
            results = versions.seed(usable, at=utc_now())
        finally:
            engine.dispose()
    return {
        "definitions": len(results),
        "changed": sum(result.action != "unchanged" for result in results),
        "broken": [str(one) for one in loaded.values() if isinstance(one, RuleFileError)],
    }


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
