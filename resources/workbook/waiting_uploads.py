"""Workbooks between the preview and its confirmation: encrypted files in HOME/run, readable for an hour by who uploaded them.

A workbook may carry passwords, so it never lies on disk in clear. Processes of one home share the folder.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from domain.errors import EtlmonError, NotFoundError
from resources.encryption import Cipher

LIFE = timedelta(hours=1)
_SHAPE = re.compile(r"^[A-Za-z0-9_-]{32}$")


@dataclass(frozen=True, slots=True)
class WaitingUpload:
    """A file as it was sent."""

    file_name: str
    data: bytes


class WaitingUploads:
    """Files of `HOME/run/uploads`."""

    def __init__(self, home: Path, cipher: Cipher) -> None:
        self._folder = home / "run" / "uploads"
        self._cipher = cipher

    def put(self, upload: WaitingUpload, *, username: str, at: datetime) -> str:
        """Keep it; the name under which its uploader finds it. Files whose hour is over are removed."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._remove_old(at)
        name = secrets.token_urlsafe(24)
        body = {"file_name": upload.file_name, "data": base64.b64encode(upload.data).decode()}
        path = self._path(name)
        path.touch(mode=0o600)
        path.write_bytes(self._cipher.encrypt(orjson.dumps(body).decode(), bound_to=_binding(name, username)))
        return name

    def get(self, name: str, *, username: str) -> WaitingUpload:
        """The file again.

        Raises:
            NotFoundError: unknown, its hour is over, or somebody else's.
        """
        try:
            text = self._cipher.decrypt(self._path(name).read_bytes(), bound_to=_binding(name, username))
            body = orjson.loads(text)
        except (OSError, ValueError, EtlmonError):
            raise NotFoundError("this upload is no longer there", suggestion="upload the workbook again") from None
        return WaitingUpload(body["file_name"], base64.b64decode(body["data"]))

    def remove(self, name: str) -> None:
        """It is not needed any more."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / (name if _SHAPE.fullmatch(name) else "unknown")

    def _remove_old(self, at: datetime) -> None:
        for path in self._folder.iterdir():
            if at.timestamp() - path.stat().st_mtime > LIFE.total_seconds():
                path.unlink(missing_ok=True)


def _binding(name: str, username: str) -> str:
    return f"upload:{username}:{name}"
