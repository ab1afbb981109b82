"""The only place where our plain classes become Dagster resources, and where a step joins the trace and logs of its cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import ConfigurableResource, DagsterInvariantViolationError, OpExecutionContext
from sqlalchemy import Engine

from resources import tracing
from resources.breakers_postgres import shared_breakers
from resources.json_logs import correlated
from resources.lake.connection import Lake
from resources.platform import open_database, open_platform
from resources.postgres.engine import make_engine
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings, load_settings


class PlatformResource(ConfigurableResource):  # type: ignore[type-arg]
    """Settings from the environment, and the storage they name. Opens nothing until it is asked."""

    def settings(self) -> Settings:
        """The settings of this process."""
        return load_settings()

    @contextmanager
    def open(self, *, is_read_only: bool = False) -> Iterator[tuple[DatabaseUrl, Lake]]:
        """Database and lake for the length of a step; its logs and its span belong to what launched the run."""
        with _step(), open_platform(self.settings(), is_read_only=is_read_only) as opened:
            yield opened

    @contextmanager
    def records(self) -> Iterator[Engine]:
        """PostgreSQL alone, which opens in milliseconds: for sensors and for jobs that need no lake."""
        settings = self.settings()
        with _step(), open_database(settings) as url:
            engine = make_engine(url, pool_size=5, max_overflow=5)
            try:
                with shared_breakers(settings, url):
                    yield engine
            finally:
                engine.dispose()


@contextmanager
def _step() -> Iterator[None]:
    """Correlation id (A10) and trace (A12) of the run's tags; nothing of the kind outside of a step."""
    try:
        context = OpExecutionContext.get()
    except DagsterInvariantViolationError:
        yield
        return
    tags = context.run.tags
    tracing.configure_tracing("etlmon-runs")
    facts = {"dagster__run__id": context.run_id, "dagster__job__name": context.job_name}
    step_key = context.get_step_execution_context().step.key
    try:
        with (
            correlated(tags.get(tracing.CORRELATION_TAG, context.run_id), runId=context.run_id),
            tracing.continued(tags.get(tracing.TRACEPARENT_TAG, ""), f"step {step_key}", **facts),
        ):
            yield
    finally:
        tracing.flush_traces()  # the process of a run ends without telling anybody
