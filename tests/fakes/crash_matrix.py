"""The crash matrix of delivery: a worker dies at a step, another one takes over; what the receiver counts says what was lost."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from domain.notification.message import Channel
from domain.vocabulary import Severity
from resources.inbound.callbacks import record_taken
from resources.postgres.engine import transaction
from tests.fakes.delivery_workers import FAST, STEPS, CountingReceiver, counting_receiver, die_at, posting_channels
from tests.fakes.notification import START, Estate, estate_on
from tests.fakes.platform import Platform

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.fakes.delivery_workers"])


@dataclass
class Matrix:
    """`doubles`: posts with a key that had been posted before, by channel; `unmarked`: those of them that did not say so.

    A receiver that honours the key shows none of them; mail repeats its Message-ID. Calls, SMS and Slack have neither: there our
    webhooks hear of the call, or the provider is asked, and nothing is posted again.
    """

    runs: int = 0
    messages: int = 0
    lost: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    doubles: Counter[Channel] = field(default_factory=Counter)
    unmarked: int = 0
    late: int = 0
    by_step: Counter[str] = field(default_factory=Counter)


def run_matrix(platform: Platform, runs: int, *, seed: int = 4) -> Matrix:
    """Each run: one incident waits for its escalation, a worker opens another one, escalates, delivers and dies somewhere."""
    chance, matrix = random.Random(seed), Matrix()
    with counting_receiver() as receiver, estate_on(platform, FAST) as estate:
        estate.channels.update(posting_channels(receiver.url))  # type: ignore[arg-type]
        for number in range(runs):
            step = STEPS[number % len(STEPS)]
            estate.now = START + timedelta(hours=number)
            estate.open(Severity.CRITICAL)
            estate.deliver()
            estate.later(300)
            countdown = chance.randint(1, 4) if step in {"claimed", "sending", "sent", "recording", "recorded"} else 1
            _kill_worker(platform, step, receiver.url, estate, countdown)
            _report_calls(estate, receiver)
            estate.later(60)  # one tick later the lease of the dead one is over
            estate.tick()
            overdue = estate.ask(f"SELECT 1 FROM escalations WHERE due_at < '{estate.now.isoformat()}'")
            matrix.late += len(overdue)
            _close_all(estate)
            matrix.runs += 1
            matrix.by_step[step] += 1
        keys = {row.idempotency_key for row in estate.rows("state <> 'CANCELLED'")}
        matrix.messages = len(keys)
        matrix.lost = sorted(keys - set(receiver.posts))
        matrix.strangers = sorted(set(receiver.posts) - {row.idempotency_key for row in estate.rows()})
        for key, count in receiver.posts.items():
            matrix.doubles[receiver.channels[key]] += count - 1
        matrix.unmarked = sum(max(0, count - 1 - receiver.marked[key]) for key, count in receiver.posts.items())
    return matrix


def _kill_worker(platform: Platform, step: str, receiver: str, estate: Estate, countdown: int) -> None:
    url = platform.settings.database_url
    assert url is not None
    worker = CONTEXT.Process(target=die_at, args=(step, receiver, url.get_secret_value(), estate.now, countdown))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -9, (step, worker.exitcode)


def _report_calls(estate: Estate, receiver: CountingReceiver) -> None:
    """What the webhook of another process does when the provider says that a call began; the receiver has no addresses to call."""
    receiver.settle()
    with transaction(estate.engine) as connection:
        for message_id in sorted(receiver.calls):
            record_taken(connection, message_id, f"posted-{message_id}", is_delivered=False, now=estate.now)
    receiver.calls.clear()


def _close_all(estate: Estate) -> None:
    """So that the next run meets its own incidents only."""
    from domain.incidents.lifecycle import Action

    for row in estate.ask("SELECT incident_id FROM incidents WHERE state = 'OPEN'"):
        estate.act(row.incident_id, Action.RESOLVE)
    estate.deliver()
