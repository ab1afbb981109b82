"""Acknowledgement links of this installation, signed with HOME/secrets/ack-links.key: records of id (4) and key (32), the last signs."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from domain.errors import ConfigurationError
from domain.notification.ack_link import KEY_ID_BYTES, AckLink, LinkAction, LinkFault, read_link, sign_link
from resources.secret_files import load_secret_file, replace_secret_file, secret_file_lock
from resources.secret_registry import register_secret

KEY_FILE = "ack-links.key"
_RECORD = KEY_ID_BYTES + 32
_KEPT = 3


class AckLinks:
    """Makes and reads the links. Keys are read at each use: another process may have added one."""

    def __init__(self, home: Path, *, public_url: str, hours: int) -> None:
        self._home = home
        self._public_url = public_url.rstrip("/")
        self._lasts = timedelta(hours=hours)

    def url_for(self, incident_id: int, *, recipient: str, now: datetime) -> str:
        """The link in a message to this recipient. The token in it is masked in logs of this process."""
        keys = self._keys()
        key_id = next(reversed(keys))
        link = AckLink(incident_id, recipient, LinkAction.ACKNOWLEDGE, now + self._lasts)
        token = sign_link(link, key_id=key_id, key=keys[key_id])
        register_secret(token)
        return f"{self._public_url}/ack/{token}"

    def read(self, token: str, *, now: datetime) -> AckLink | LinkFault:
        """What a token says."""
        found = read_link(token, keys=self._keys(), now=now)
        if isinstance(found, AckLink):
            register_secret(token)
        return found

    def rotate(self) -> None:
        """Sign with a new key from now on; links of the two former ones work until they expire."""
        path = self._home / "secrets" / KEY_FILE
        self._keys()
        with secret_file_lock(path):
            content = path.read_bytes() + secrets.token_bytes(_RECORD)
            replace_secret_file(path, content[-_KEPT * _RECORD :])

    def _keys(self) -> dict[bytes, bytes]:
        content = load_secret_file(self._home, KEY_FILE, secrets.token_bytes(_RECORD))
        records = [content[at : at + _RECORD] for at in range(0, len(content), _RECORD)]
        if not records or len(records[-1]) != _RECORD:
            path = self._home / "secrets" / KEY_FILE
            raise ConfigurationError(f"{path} is damaged", suggestion="delete it: links sent so far stop working")
        return {record[:KEY_ID_BYTES]: record[KEY_ID_BYTES:] for record in records}
