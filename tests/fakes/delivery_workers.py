"""Processes of notification that die at a chosen step, and the receiver that counts what reached it."""

from __future__ import annotations

import os
import signal
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from domain.notification.message import Channel, Message, Receipt
from domain.vocabulary import Severity
from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DatabaseUrl
from tests.fakes.notification import Estate, demo_rules

#: Where a worker may be killed: around the commit of the cause, around the claim, around sending, around recording, around a step.
STEPS = (
    "before the cause is committed",
    "after the cause is committed",
    "claiming",
    "claimed",
    "sending",
    "sent",
    "recording",
    "recorded",
    "before a step is committed",
    "after a step is committed",
)
FAST = demo_rules(
    channels={
        channel: demo_rules().channel(channel).model_copy(update={"per_minute": 100_000, "timeout_s": 5.0})
        for channel in Channel
    },
    storm=demo_rules().storm.model_copy(update={"single_at_most": 1000}),
)


#: Whose provider can be asked what it has, as the adapters of these channels do.
SEARCHABLE = frozenset({Channel.SMS, Channel.SLACK})


class CountingReceiver:
    """Counts posts by idempotency key. One that honours the key keeps the first and drops the rest.

    GET answers 200 for a key that it has. `calls`: the messages of calls, for which a real provider reports to our webhook.
    """

    def __init__(self) -> None:
        self.posts: Counter[str] = Counter()
        self.marked: Counter[str] = Counter()
        self.channels: dict[str, Channel] = {}
        self.calls: set[int] = set()
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                key, channel = self.headers["Idempotency-Key"], Channel(self.headers["Channel"])
                with receiver.lock:
                    receiver.posts[key] += 1
                    receiver.marked[key] += self.headers["Possibly-Repeated"] == "yes"
                    receiver.channels[key] = channel
                    if channel is Channel.VOICE:
                        receiver.calls.add(int(self.headers["Message-Id"]))
                self.send_response(204)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200 if self.headers["Idempotency-Key"] in receiver.posts else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def process_request(self, request: Any, client_address: Any) -> None:
                with receiver.changed:
                    receiver.in_hand += 1
                super().process_request(request, client_address)

            def process_request_thread(self, request: Any, client_address: Any) -> None:
                super().process_request_thread(request, client_address)
                with receiver.changed:
                    receiver.in_hand -= 1
                    receiver.changed.notify_all()

        self.in_hand, self.changed = 0, threading.Condition()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def settle(self) -> None:
        """Until what was posted before is taken, also by a worker that is dead by now: connections are accepted in turn."""
        SearchablePostingChannel(self.url).has("the last one")
        with self.changed:
            assert self.changed.wait_for(lambda: self.in_hand == 0, 30)


@contextmanager
def counting_receiver() -> Iterator[CountingReceiver]:
    receiver = CountingReceiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


class PostingChannel:
    """Posts each message to the receiver."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(self, message: Message) -> Receipt:
        marked = "yes" if message.facts.get("possibly_repeated") else "no"
        headers = {
            "Idempotency-Key": message.idempotency_key,
            "Possibly-Repeated": marked,
            "Channel": message.channel.value,
            "Message-Id": str(message.message_id),
        }
        request = urllib.request.Request(self._url, data=b"{}", headers=headers, method="POST")
        with self._opener.open(request, timeout=5):
            return Receipt(f"posted-{message.message_id}")


class SearchablePostingChannel(PostingChannel):
    """Can be asked, too."""

    def find(self, message: Message) -> Receipt | None:
        return Receipt(f"posted-{message.message_id}") if self.has(message.idempotency_key) else None

    def has(self, key: str) -> bool:
        """Whether the receiver has got it."""
        request = urllib.request.Request(self._url, headers={"Idempotency-Key": key})
        try:
            with self._opener.open(request, timeout=5):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False


def posting_channels(url: str) -> dict[Channel, PostingChannel]:
    """All of them, to one receiver."""
    return {one: (SearchablePostingChannel if one in SEARCHABLE else PostingChannel)(url) for one in Channel}


def die_at(step: str, receiver: str, url: str, now: datetime, countdown: int) -> None:
    """Open an incident, deliver, escalate a due one; killed (-9) by itself when it is at `step` for the `countdown`-th time."""
    left = [countdown]
    lock = threading.Lock()

    def observe(at: str) -> None:
        with lock:
            left[0] -= at == step
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    estate = Estate(make_engine(DatabaseUrl.parse(url), pool_size=10, max_overflow=10), FAST, observe=observe)
    estate.now = now
    estate.channels.update(posting_channels(receiver))  # type: ignore[arg-type]
    with transaction(estate.engine) as connection:
        estate.open_in(connection, Severity.CRITICAL)
        observe("before the cause is committed")
    observe("after the cause is committed")
    with transaction(estate.engine) as connection:
        estate.notification.escalate_due(connection, now=now)
        observe("before a step is committed")
    observe("after a step is committed")
    estate.deliver()
    os._exit(3)  # it should have died
