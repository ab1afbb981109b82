"""`python -m resources.launch.prepare`: migrate records and lake of the settings in the environment, then end."""

from __future__ import annotations

import sys

from domain.errors import EtlmonError
from resources.platform import open_database, prepare_storage
from resources.settings import load_settings


def main() -> int:
    """0 when the storage is at the present schema; 1 with the reason on stderr."""
    settings = load_settings()
    try:
        with open_database(settings) as url:
            prepare_storage(settings, url)
    except EtlmonError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
