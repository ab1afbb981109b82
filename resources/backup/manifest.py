"""The first member of a backup: what it is, of when, and every other member with size and SHA-256."""

from __future__ import annotations

import re
import tarfile
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from domain.errors import InputDataError

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
LAKE = "lake/"
SECRETS = "secrets/"
CONNECTIONS = "connections.yaml"
_MAX_MANIFEST = 512 * 2**20
_FORMAT_FIELD = re.compile(rb'"format"\s*:\s*(\d+)')


def _check_name(name: str) -> str:
    path = PurePosixPath(name)
    is_ours = name in {DUMP, CONNECTIONS} or name.startswith((LAKE, SECRETS))
    if not is_ours or path.is_absolute() or ".." in path.parts or str(path) != name:
        raise ValueError(f"{name!r} is no place inside a home")
    return name


class BackupFile(BaseModel):
    """One member. Its name is checked: nothing outside of the four places of a backup parses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_check_name)]
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    created_at: str
    etlmon: str
    signals: int = Field(ge=0, description="rows of the table signals, counted in the backup's own snapshot")
    files: list[BackupFile]

    @property
    def total_bytes(self) -> int:
        """Bytes of all members."""
        return sum(one.size for one in self.files)


def parse_manifest(raw: bytes) -> Manifest:
    """Read the first member.

    Raises:
        InputDataError: another format version, or not a manifest.
    """
    found = _FORMAT_FIELD.search(raw[:4096])
    if found and int(found[1]) != FORMAT:
        raise InputDataError(
            f"the backup has format {int(found[1])}, this release reads format {FORMAT}",
            suggestion="restore it with the release that wrote it, or a newer one, and migrate from there",
        )
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputDataError(
            f"the manifest of the backup cannot be read: {where}: {first['msg']}",
            suggestion="the file was altered or is no backup of etlmon; take another one",
        ) from None


def read_manifest(tar: tarfile.TarFile) -> Manifest:
    """The manifest of an opened backup, which is its first member.

    Raises:
        InputDataError: there is none.
    """
    member = tar.next()
    handle = tar.extractfile(member) if member and member.name == MANIFEST and member.isfile() else None
    if handle is None or member is None or member.size > _MAX_MANIFEST:
        raise InputDataError(
            "the file is a tar but no backup: its first member is not manifest.json",
            suggestion="name a file that `etlmon backup` has written",
        )
    return parse_manifest(handle.read())
