"""Secrets that the platform makes for itself: one file each under HOME/secrets, readable by the owner alone.

A file appears whole or not at all, and is on the disk before anything that was encrypted under it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def load_secret_file(home: Path, name: str, fresh: bytes) -> bytes:
    """The secret of that name; `fresh` becomes it at first use. Of several processes doing so at once the first one wins."""
    path = home / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        staging = _write_staging(path, fresh)
        with contextlib.suppress(FileExistsError):
            os.link(staging, path)
        staging.unlink()
        _sync_folder(path.parent)
    return path.read_bytes()


def replace_secret_file(path: Path, content: bytes) -> None:
    """Put other content in place of a secret file, atomically: a reader or a crash sees the old or the new one."""
    staging = _write_staging(path, content)
    staging.replace(path)
    _sync_folder(path.parent)


@contextlib.contextmanager
def secret_file_lock(path: Path) -> Iterator[None]:
    """Only one process at a time reads and replaces this file inside the block. The system releases it when a process dies."""
    with path.with_name(f".{path.name}.lock").open("w") as handle:
        os.fchmod(handle.fileno(), 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def load_token(home: Path, name: str) -> str:
    """A token of 256 bits as text that people can paste."""
    return load_secret_file(home, name, secrets.token_hex(32).encode()).decode().strip()


def _write_staging(path: Path, content: bytes) -> Path:
    staging = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    return staging


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
