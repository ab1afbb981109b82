"""Secrets that the platform makes for itself: one file each under HOME/secrets, readable by the owner alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def load_secret_file(home: Path, name: str, fresh: bytes) -> bytes:
    """The secret of that name; `fresh` becomes it at first use. Of several processes doing so at once the first one wins."""
    path = home / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        staging = path.with_name(f".{name}.{secrets.token_hex(6)}")
        descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(fresh)
        with contextlib.suppress(FileExistsError):
            os.link(staging, path)
        staging.unlink()
    return path.read_bytes()


def load_token(home: Path, name: str) -> str:
    """A token of 256 bits as text that people can paste."""
    return load_secret_file(home, name, secrets.token_hex(32).encode()).decode().strip()
