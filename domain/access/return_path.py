"""Where a login may send the browser next: a path of this server, nothing else."""

from __future__ import annotations

import re

_LOCAL = re.compile(r"^/(?![/\\])[A-Za-z0-9/_.~!$&'()*+,;=:@%?-]{0,500}$")


def parse_return_path(text: str, *, fallback: str = "/") -> str:
    """The path as given, or the fallback where it could lead to another server (`//host`, a backslash, a scheme)."""
    return text if _LOCAL.fullmatch(text) and "\\" not in text else fallback
