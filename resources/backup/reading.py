"""Reading a backup: every member is compared with the manifest before anything of it is used."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from domain.errors import InputDataError, NotFoundError
from resources.backup.manifest import BackupFile, Manifest, read_manifest

Progress = Callable[[int, int], None]
_CHUNK = 2**20


def unpack_backup(source: Path, folder: Path, *, progress: Progress | None = None) -> Manifest:
    """Write the members of a backup into a folder, mode 0600, each verified by name, size and SHA-256.

    Raises:
        NotFoundError: there is no such file.
        InputDataError: no tar, truncated, altered, incomplete, of another format, or a member that leads elsewhere.
    """
    try:
        with tarfile.open(source, mode="r:") as tar:
            manifest = read_manifest(tar)
            _unpack(tar, manifest, folder, progress=progress)
    except FileNotFoundError as error:
        if error.filename != str(source):
            raise
        raise NotFoundError(f"{source} does not exist", suggestion="check the name of the backup") from None
    except (tarfile.TarError, EOFError) as error:
        raise InputDataError(
            f"{source} is damaged or no backup: {error}", suggestion="fetch the file again, or take another backup"
        ) from None
    return manifest


def _unpack(tar: tarfile.TarFile, manifest: Manifest, folder: Path, *, progress: Progress | None) -> None:
    expected = {one.name: one for one in manifest.files}
    done = 0
    while member := tar.next():
        if not member.isfile() or member.name not in expected:
            raise InputDataError(
                f"the backup holds {member.name!r}, which its manifest does not list",
                suggestion="the file was altered; take another backup",
            )
        one = expected.pop(member.name)
        handle = tar.extractfile(member)
        assert handle is not None
        _write_member(handle, one, folder / one.name)
        done += one.size
        if progress:
            progress(done, manifest.total_bytes)
    if expected:
        raise InputDataError(
            f"the backup is truncated: {len(expected)} of {len(manifest.files)} files are missing,"
            f" for example {next(iter(expected))}",
            suggestion="fetch the file again, or take another backup",
        )


def _write_member(handle: IO[bytes], one: BackupFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
            size += out.write(chunk)
    if size != one.size or digest.hexdigest() != one.sha256:
        raise InputDataError(
            f"{one.name} in the backup is damaged: its SHA-256 is not the one of the manifest",
            suggestion="fetch the file again, or take another backup",
        )
