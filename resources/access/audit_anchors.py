"""What the head of the audit was, written down outside of the database: HOME/audit/anchors.jsonl.

The chain alone cannot tell that its end was cut off, or that an older database was put in its place; an anchor can. Each
line holds sequence and MAC of the head, and a seal over itself and the line before, made with the key of the audit.

What this cannot do: whoever can write the database, HOME/secrets/audit.key and this file can rewrite all three without a
trace, and who can write database and file can cut both back to the same moment. Each anchor is therefore also a log line
("audit anchored"): a log collector on another machine keeps a copy that a thief of both does not reach.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from pathlib import Path

import orjson
from sqlalchemy import Engine, text

from domain.access.audit_chain import Anchor
from domain.errors import StorageError
from resources.clock import utc_now
from resources.postgres.engine import transaction
from resources.secret_files import secret_file_lock

#: The standard library's: silent in a command, one JSON line in the processes that configure logs.
_LOG = logging.getLogger(__name__)
_HEAD = text("SELECT sequence, mac FROM audit_entries ORDER BY sequence DESC LIMIT 1")


class AuditAnchors:
    """The file of anchors of one home."""

    def __init__(self, home: Path, key: bytes) -> None:
        self._path = home / "audit" / "anchors.jsonl"
        self._key = key

    def append_head(self, engine: Engine, *, by: str) -> Anchor | None:
        """Anchor the newest entry; None while there is none. A head that is anchored already is not written again."""
        with transaction(engine) as connection:
            head = connection.execute(_HEAD).one_or_none()
        if head is None:
            return None
        anchor = Anchor(int(head.sequence), bytes(head.mac))
        self.append(anchor, by=by)
        return anchor

    def append(self, anchor: Anchor, *, by: str) -> None:
        """Write one line, on the disk before this returns. A half line that a crash left is cut off first."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with secret_file_lock(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as handle:
                content = handle.read()
                whole = content[: content.rfind(b"\n") + 1]
                last = orjson.loads(whole.splitlines()[-1]) if whole else {"seal": "", "sequence": 0, "mac": ""}
                if (last["sequence"], last["mac"]) == (anchor.sequence, anchor.mac.hex()):
                    return
                handle.seek(len(whole))
                handle.truncate()
                handle.write(orjson.dumps(self._line(anchor, by, last["seal"])) + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        _LOG.info("audit anchored: entry %d, mac %s, by %s", anchor.sequence, anchor.mac.hex(), by)

    def load(self) -> list[Anchor]:
        """All anchors, oldest first.

        Raises:
            StorageError: a line was altered, removed from the middle, or forged.
        """
        content = self._path.read_bytes() if self._path.exists() else b""
        anchors, seal = [], ""
        for number, raw in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
            try:
                line = orjson.loads(raw)
                anchor = Anchor(int(line["sequence"]), bytes.fromhex(line["mac"]))
                is_sealed = hmac.compare_digest(self._seal(line, seal), str(line["seal"]))
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                is_sealed = False
            if not is_sealed:
                raise StorageError(
                    f"{self._path}, line {number}: the anchor was altered, moved or forged",
                    suggestion="compare the file with the log lines `audit anchored`, and find out who can write it",
                )
            anchors.append(anchor)
            seal = str(line["seal"])
        return anchors

    def _line(self, anchor: Anchor, by: str, previous_seal: str) -> dict[str, object]:
        line = {"at": utc_now().isoformat(), "sequence": anchor.sequence, "mac": anchor.mac.hex(), "by": by}
        return {**line, "seal": self._seal(line, previous_seal)}

    def _seal(self, line: dict[str, object], previous_seal: str) -> str:
        body = [line["at"], line["sequence"], line["mac"], line["by"], previous_seal]
        return hmac.new(self._key, b"anchor:" + orjson.dumps(body), hashlib.sha256).hexdigest()
