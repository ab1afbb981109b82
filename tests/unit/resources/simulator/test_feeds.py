"""What the estate writes: lines are stable and varied, runs reach the table once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from resources.simulator.fault_model import load_fault_catalogue
from resources.simulator.grid import DAY_MS
from resources.simulator.log_lines import LogBook, load_log_messages
from resources.simulator.run_feed import RunFeed
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import load_topology

DAY = 20_524


def test_lines_of_a_day_are_the_same_every_time_and_ids_are_unique() -> None:
    books = [LogBook(load_topology(), load_log_messages(), load_fault_catalogue(), seed=7) for _ in range(2)]
    first, second = (book.compute_day(DAY, ()) for book in books)
    assert first == second
    assert len({line.doc_id for line in first}) == len(first)
    assert 300 < len(first) < 1000, "kept small on purpose"


def test_a_day_has_all_levels_and_services_and_filled_in_messages() -> None:
    lines = LogBook(load_topology(), load_log_messages(), load_fault_catalogue(), seed=7).compute_day(DAY, ())
    levels = Counter(line.document["level"] for line in lines)
    assert levels["INFO"] > levels["WARN"] > 20
    assert levels["ERROR"] > 20
    assert {line.document["service"]["name"] for line in lines} == set(load_topology().component)
    assert not any("{" in line.document["message"] for line in lines)
    assert len({line.document["message"] for line in lines}) > 0.8 * len(lines)


@pytest.mark.requirement("A18")
def test_runs_are_written_once_however_often_they_are_fed(tmp_path: Path) -> None:
    store = SampleStore(load_topology(), load_fault_catalogue(), seed=7, begin_ms=DAY * DAY_MS)
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    noon = DAY * 86_400.0 + 43_200
    for until_s in (noon - 3600, noon):
        feed = RunFeed(url, lambda day: store.day(day).runs, from_s=DAY * 86_400.0)
        feed.write(until_s=until_s)
        feed.write(until_s=until_s)
        feed.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        count, newest = connection.execute(text("SELECT count(*), max(inserted_at) FROM etl_runs")).one()
        statuses = set(connection.execute(text("SELECT DISTINCT status FROM etl_runs")).scalars())
    engine.dispose()
    runs = [store.day(DAY - 1).runs, store.day(DAY).runs]
    due = sum(int(((r.inserted_s > DAY * 86_400.0) & (r.inserted_s <= noon)).sum()) for r in runs)
    assert count == due
    assert newest[11:19] <= "12:00:00"
    assert statuses == {"SUCCESS", "FAILED"}
