"""The estate's raw samples as OpenMetrics text, for `promtool tsdb create-blocks-from openmetrics`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from resources.simulator.answer_format import format_instants, format_values
from resources.simulator.grid import sample_ms
from resources.simulator.promql.values import Labels
from resources.simulator.sample_store import SampleStore


def export_openmetrics(store: SampleStore, *, first_index: int, last_index: int) -> Iterator[str]:
    """Text in pieces: all samples of all series between two scrapes, both included."""
    instants = format_instants(sample_ms(np.arange(first_index, last_index + 1)))
    for family in store.families:
        for name in sorted(family.metric_names):
            samples = store.select(
                lambda labels, name=name: labels["__name__"] == name,  # type: ignore[misc]
                {name},
                first_index=first_index,
                last_index=last_index,
            )
            yield f"# TYPE {name} unknown\n"
            for labels, row in zip(samples.labels, samples.values, strict=True):
                head = _format_head(labels)
                here = np.flatnonzero(~np.isnan(row))
                texts = format_values(row[here])
                yield "".join(f"{head} {text} {instants[i]}\n" for i, text in zip(here, texts, strict=True))
    yield "# EOF\n"


def _format_head(labels: Labels) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels['__name__']}{{{inner}}}"
