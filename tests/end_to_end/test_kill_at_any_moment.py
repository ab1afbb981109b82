"""kill -9 at random points of capture, push ingest and compaction: every accepted row is there exactly once (H7's promise
for signals)."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import pytest

from resources.capture.engine import CaptureContext
from resources.lake.maintenance import compact, roll_up
from resources.postgres.engine import make_engine
from resources.push_inbox import PushInbox
from tests.fakes import crash_workers
from tests.fakes.crash_workers import BATCH, SERIES, START, pulled_loader, pushed_loader, value_at
from tests.fakes.platform import Platform

KILLS = 54
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.fakes.crash_workers"])


def run_and_kill(platform: Platform, work: Callable[..., None], first: int, chance: random.Random) -> list[int]:
    """Start the work, kill it a random while after a random number of rounds; what it had promised by then."""
    mine, theirs = CONTEXT.Pipe(duplex=False)
    url = platform.url.render()
    process = CONTEXT.Process(target=work, args=(str(platform.settings.home), url, theirs, first, 10_000), daemon=True)
    process.start()
    theirs.close()
    assert mine.poll(60), "the worker did not start"
    assert mine.recv() == "ready"
    promised: list[int] = []
    for _ in range(chance.randrange(3)):
        assert mine.poll(60), "the worker is stuck"
        promised.append(mine.recv())
    process.join(timeout=chance.uniform(0.0, 0.15))
    assert process.is_alive(), "the worker ended by itself"
    process.kill()
    process.join()
    return [*promised, *_promises(mine)]


def _promises(pipe: Connection) -> list[Any]:
    found = []
    try:
        while True:
            found.append(pipe.recv())
    except EOFError:
        return found


def settle(platform: Platform, minute: int) -> None:
    """One undisturbed capture up to the minute, one undisturbed compaction."""
    records = make_engine(platform.url)
    inbox = PushInbox(records)
    engine = crash_workers._engine(platform.lake, platform.url, inbox)
    run = engine.capture_due([pulled_loader(), pushed_loader()], CaptureContext(now=START + timedelta(minutes=minute)))
    assert not run.failed
    assert inbox.waiting() == 0
    records.dispose()
    roll_up(platform.lake)
    compact(platform.lake, now=START + timedelta(days=3650))


@pytest.mark.timeout(900)
@pytest.mark.requirement("A17")
@pytest.mark.requirement("B6")
def test_every_accepted_row_is_there_exactly_once_after_fifty_kills(platform: Platform) -> None:
    chance = random.Random(20260310)
    accepted: set[int] = set()
    minute, batch = 1, 0
    settle(platform, minute)
    for kill in range(KILLS):
        if kill % 3 == 0:
            promised = run_and_kill(platform, crash_workers.push_forever, batch, chance)
            accepted.update(promised)
            batch = max([batch, *(number + 2 for number in promised)]) + 1
        elif kill % 3 == 1:
            promised = run_and_kill(platform, crash_workers.capture_forever, minute, chance)
            minute = max([minute, *promised])
        else:
            run_and_kill(platform, crash_workers.compact_forever, 0, chance)
    settle(platform, minute + 1)

    pulled = platform.lake.query(
        "SELECT (labels->>'n')::INT AS n, captured_at, metric_value FROM signals_wide WHERE loader_code = 'CRASH-PULL'"
    ).rows()
    # the look-back of two minutes reaches one minute behind the start of the history
    first, last = START - timedelta(minutes=1), START + timedelta(minutes=minute + 1)
    instants = [first + timedelta(seconds=10 * k) for k in range(int((last - first).total_seconds() // 10))]
    assert len(pulled) == len(set(pulled)) == SERIES * len(instants), "a captured row is missing or doubled"
    assert set(pulled) == {(n, at, value_at(n, at)) for n in range(SERIES) for at in instants}

    pushed = platform.lake.query("SELECT metric_value FROM signals_wide WHERE loader_code = 'CRASH-PUSH'")[
        "metric_value"
    ].to_list()
    assert len(accepted) > KILLS, "the workers got too little done for the test to mean anything"
    promised_rows = {float(number * BATCH + k) for number in accepted for k in range(BATCH)}
    assert len(pushed) == len(set(pushed)), "a pushed row is doubled"
    assert promised_rows <= set(pushed), "an accepted row is missing"
    assert len(set(pushed) - promised_rows) % BATCH == 0, "a batch is there in part"
    hourly = platform.lake.query("SELECT sum(points)::BIGINT AS n FROM signals_hourly")["n"][0]
    assert hourly == len(pulled) + len(pushed), "the rollup disagrees with the signals"
