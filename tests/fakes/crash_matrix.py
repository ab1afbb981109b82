"""The crash matrix of delivery: a worker dies at a step, another one takes over; what the receiver counts says what was lost."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from domain.notification.message import Channel
from domain.vocabulary import Severity
from tests.fakes.delivery_workers import FAST, STEPS, PostingChannel, counting_receiver, die_at
from tests.fakes.notification import START, Estate, estate_on
from tests.fakes.platform import Platform

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.fakes.delivery_workers"])


@dataclass
class Matrix:
    """`doubled`: messages that a receiver which honours the key would show twice: none can, so keys are compared with rows.

    `raw_doubles`: posts with a key that had been posted before; `unmarked`: those of them that did not say so.
    """

    runs: int = 0
    messages: int = 0
    lost: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    raw_doubles: int = 0
    unmarked: int = 0
    late: int = 0
    by_step: Counter[str] = field(default_factory=Counter)


def run_matrix(platform: Platform, runs: int, *, seed: int = 4) -> Matrix:
    """Each run: one incident waits for its escalation, a worker opens another one, escalates, delivers and dies somewhere."""
    chance, matrix = random.Random(seed), Matrix()
    with counting_receiver() as receiver, estate_on(platform, FAST) as estate:
        estate.channels.update(dict.fromkeys(Channel, PostingChannel(receiver.url)))  # type: ignore[arg-type]
        for number in range(runs):
            step = STEPS[number % len(STEPS)]
            estate.now = START + timedelta(hours=number)
            estate.open(Severity.CRITICAL)
            estate.deliver()
            estate.later(300)
            countdown = chance.randint(1, 4) if step in {"claimed", "sending", "sent", "recording", "recorded"} else 1
            _kill_worker(platform, step, receiver.url, estate, countdown)
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
        matrix.raw_doubles = sum(count - 1 for count in receiver.posts.values())
        matrix.unmarked = sum(max(0, count - 1 - receiver.marked[key]) for key, count in receiver.posts.items())
    return matrix


def _kill_worker(platform: Platform, step: str, receiver: str, estate: Estate, countdown: int) -> None:
    url = platform.settings.database_url
    assert url is not None
    worker = CONTEXT.Process(target=die_at, args=(step, receiver, url.get_secret_value(), estate.now, countdown))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -9, (step, worker.exitcode)


def _close_all(estate: Estate) -> None:
    """So that the next run meets its own incidents only."""
    from domain.incidents.lifecycle import Action

    for row in estate.ask("SELECT incident_id FROM incidents WHERE state = 'OPEN'"):
        estate.act(row.incident_id, Action.RESOLVE)
    estate.deliver()
