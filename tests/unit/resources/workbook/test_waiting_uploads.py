"""An upload waits for its confirmation: encrypted, for its uploader alone, for an hour."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.errors import NotFoundError
from resources.encryption import load_cipher
from resources.workbook.waiting_uploads import LIFE, WaitingUpload, WaitingUploads

UPLOAD = WaitingUpload("loaders.xlsx", b"PK\x03\x04 a password")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def waiting(tmp_path: Path) -> WaitingUploads:
    return WaitingUploads(tmp_path, load_cipher(tmp_path))


def test_who_uploaded_it_finds_it_and_nobody_else_does(waiting: WaitingUploads, tmp_path: Path) -> None:
    name = waiting.put(UPLOAD, username="olaf", at=datetime.now(UTC))
    assert waiting.get(name, username="olaf") == UPLOAD
    path = tmp_path / "run" / "uploads" / name
    assert b"password" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for asked, username in ((name, "olga"), ("x" * 32, "olaf"), ("../../secrets/encryption.key", "olaf"), ("", "olaf")):
        with pytest.raises(NotFoundError):
            waiting.get(asked, username=username)
    waiting.remove(name)
    waiting.remove(name)
    with pytest.raises(NotFoundError):
        waiting.get(name, username="olaf")


def test_the_next_upload_removes_those_whose_hour_is_over(waiting: WaitingUploads, tmp_path: Path) -> None:
    old = waiting.put(UPLOAD, username="olaf", at=NOW)
    kept = waiting.put(UPLOAD, username="olaf", at=NOW)
    for name, age in ((old, LIFE.total_seconds() + 1), (kept, LIFE.total_seconds() - 1)):
        os.utime(tmp_path / "run" / "uploads" / name, (NOW.timestamp() - age,) * 2)
    waiting.put(UPLOAD, username="olaf", at=NOW)
    with pytest.raises(NotFoundError):
        waiting.get(old, username="olaf")
    assert waiting.get(kept, username="olaf") == UPLOAD
