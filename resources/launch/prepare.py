"""`python -m resources.launch.prepare`: migrate records and lake of the settings in the environment, make the first admin, end.

Says on stdout, as JSON, what `etlmon up` shows about the admin; stdout of this process is written to no log.
"""

from __future__ import annotations

import json
import sys

from domain.errors import EtlmonError
from resources.access.first_admin import NAME, ensure_first_admin
from resources.control_plane import open_control_plane
from resources.platform import open_database, prepare_storage
from resources.settings import load_settings


def main() -> int:
    """0 when the storage is at the present schema; 1 with the reason on stderr."""
    settings = load_settings()
    try:
        with open_database(settings) as url:
            prepare_storage(settings, url)
            with open_control_plane(settings, url) as control:
                admin = ensure_first_admin(control)
    except EtlmonError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    print(json.dumps({"admin": NAME, "password": admin.password, "isWaiting": admin.is_waiting}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
