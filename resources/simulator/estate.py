"""The estate of one home: what it is made of, since when it exists, which faults it had. Opened by the simulator process.

`HOME/simulator/` holds estate.json (seed and origin, written once), faults.jsonl (ground truth), etl_runs.db,
ports.json and, while the simulator runs and its history is complete, endpoint.json (where it listens).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from resources.simulator.fault_journal import FaultJournal
from resources.simulator.fault_model import FaultCatalogue, load_fault_catalogue
from resources.simulator.grid import DAY_MS
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import SHIPPED_RULES, Topology, load_topology


@dataclass(frozen=True)
class EstateRecord:
    """What must be the same at every start, so that history is."""

    seed: int
    begin_ms: int


@dataclass(frozen=True)
class Estate:
    """Everything of one home, ready to be asked."""

    folder: Path
    record: EstateRecord
    topology: Topology
    catalogue: FaultCatalogue
    journal: FaultJournal
    samples: SampleStore

    def reload_faults(self) -> None:
        """Take over what was appended to the journal since."""
        self.samples.replace_windows(self.journal.read())

    @property
    def endpoint_path(self) -> Path:
        """Where the running simulator says how to reach it."""
        return endpoint_path(self.folder.parent)


def endpoint_path(home: Path) -> Path:
    """The endpoint file of a home."""
    return home / "simulator" / "endpoint.json"


def open_journal(home: Path, rules: Path = SHIPPED_RULES) -> FaultJournal:
    """The journal of a home, whether or not the simulator runs or ever ran."""
    return FaultJournal(home / "simulator" / "faults.jsonl", load_fault_catalogue(rules))


def open_estate(home: Path, *, now_ms: int, seed: int, history_days: float, rules: Path = SHIPPED_RULES) -> Estate:
    """Open the estate of a home; the first time, its origin is `history_days` before now and its history gets its faults.

    A later start keeps seed and origin as they were written.
    """
    folder = home / "simulator"
    folder.mkdir(parents=True, exist_ok=True)
    record = _load_or_create(folder / "estate.json", EstateRecord(seed, now_ms - round(history_days * DAY_MS)))
    journal = open_journal(home, rules)
    journal.seed(begin_s=record.begin_ms / 1000, until_s=now_ms / 1000)
    topology, catalogue = load_topology(rules), load_fault_catalogue(rules)
    samples = SampleStore(topology, catalogue, seed=record.seed, begin_ms=record.begin_ms)
    estate = Estate(folder, record, topology, catalogue, journal, samples)
    estate.reload_faults()
    return estate


def _load_or_create(path: Path, record: EstateRecord) -> EstateRecord:
    if path.exists():
        return EstateRecord(**orjson.loads(path.read_bytes()))
    draft = path.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(asdict(record)))
    draft.replace(path)
    return record
