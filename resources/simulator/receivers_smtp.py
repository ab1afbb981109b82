"""A mail server that keeps what it gets: enough of RFC 5321 for any client on loopback. No TLS, no login, no relaying."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from typing import cast

from resources.simulator.received import ReceivedBook

_LONGEST = 10 << 20


class _Session(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self) -> None:
        """One connection."""
        book = cast("_Server", self.server).book
        self._say("220 simulator ESMTP")
        sender, recipients = "", list[str]()
        while line := self.rfile.readline(4096).decode("utf-8", "replace").strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb in {"EHLO", "HELO"}:
                self._say("250-simulator\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "MAIL":
                fault = book.take_fault("email")
                if fault is not None:
                    if fault.hangs_s:
                        threading.Event().wait(fault.hangs_s)
                    self._say(f"{fault.status or 451} simulated fault")
                    continue
                sender, recipients = _path(rest), []
                self._say("250 OK")
            elif verb == "RCPT":
                recipients.append(_path(rest))
                self._say("250 OK")
            elif verb == "DATA":
                self._say("354 go on")
                _keep(book, sender, recipients, self._read_data())
                self._say("250 kept")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 OK" if verb in {"RSET", "NOOP"} else "502 not here")

    def _read_data(self) -> bytes:
        body = bytearray()
        while (line := self.rfile.readline(1 << 20)) and line.rstrip(b"\r\n") != b"." and len(body) < _LONGEST:
            body += line[1:] if line.startswith(b"..") else line
        return bytes(body)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    book: ReceivedBook


def _path(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


def _keep(book: ReceivedBook, sender: str, recipients: list[str], raw: bytes) -> None:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    for recipient in recipients:
        book.write(
            "email",
            to=recipient,
            text=str(mail["Subject"] or ""),
            sender=sender,
            headers={name: str(value) for name, value in mail.items()},
            plain=plain.get_content() if plain else "",
            html=html.get_content() if html else "",
        )


class FakeMailServer:
    """Listens on 127.0.0.1 from the start."""

    def __init__(self, book: ReceivedBook, *, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _Session)
        self._server.book = book
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """For ETLMON_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
