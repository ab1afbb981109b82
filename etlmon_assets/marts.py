"""The dbt marts as Dagster assets: every model and seed an asset, every dbt test an asset check.

The SQL lives in dbt/; here stand only the translation of names, groups and owners, and the run. Call
`build_marts_assets()` where definitions are assembled: it needs dbt's manifest, which is parsed once per change.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Backoff,
    MetadataValue,
    Output,
    RetryPolicy,
)
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from etlmon_assets import keys
from resources.dagster_bindings import PlatformResource
from resources.lake.connection import Lake
from resources.lake.dbt_environment import dbt_environment, dbt_executable, ensure_manifest, project_folder, run_folder

PREFIX = "marts"
_PREVIEW_ROWS = 8


def mart_key(model: str) -> AssetKey:
    """Asset key of a dbt model or seed."""
    return AssetKey([PREFIX, model])


class MartsTranslator(DagsterDbtTranslator):
    """Names, group, owners and kinds of the marts; sources become the assets that write them."""

    def __init__(self) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True, enable_source_metadata=False)
        )

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """The key a source names in its meta; the prefixed name for our own models."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return mart_key(dbt_resource_props["name"])

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> AssetSpec:
        """The spec dagster-dbt makes, with our group, owners and kinds."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if manifest.get("sources", {}).get(unique_id):
            return spec
        kind = {"view": "view", "seed": "seed"}.get(
            self.get_resource_props(manifest, unique_id)["config"]["materialized"], "table"
        )
        return spec.replace_attributes(group_name=keys.GROUP_MARTS, owners=keys.OWNERS, kinds={"dbt", "duckdb", kind})

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The words of the yml twin, without the SQL below them."""
        return str(dbt_resource_props.get("description") or "")


@contextmanager
def _process_environment(values: Mapping[str, str]) -> Iterator[None]:
    """dagster-dbt hands dbt this process's environment and nothing else: set it for the block, then put it back."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _describe(lake: Lake, model: str) -> dict[str, Any]:
    """Rows and a preview of a mart for the asset page."""
    relation = f"{PREFIX}.{model}"
    rows = lake.query(f"SELECT count(*) AS n FROM {relation}")["n"][0]
    preview = lake.query(f"SELECT * FROM {relation} LIMIT {_PREVIEW_ROWS}")
    head = "|" + "|".join(preview.columns) + "|\n|" + "---|" * preview.width + "\n"
    body = "\n".join("|" + "|".join(_cell(value) for value in row) + "|" for row in preview.rows())
    return {"dagster/row_count": int(rows), "preview": MetadataValue.md(head + body)}


def build_marts_assets() -> AssetsDefinition:
    """All models, seeds and tests of dbt/ as one multi-asset, run by one `dbt build` of what is selected."""

    @dbt_assets(
        manifest=ensure_manifest(),
        dagster_dbt_translator=MartsTranslator(),
        name="marts",
        retry_policy=RetryPolicy(max_retries=2, delay=5, backoff=Backoff.EXPONENTIAL),
    )
    def marts(context: AssetExecutionContext, platform: PlatformResource) -> Iterator[Any]:
        settings = platform.settings()
        with (
            platform.open(is_read_only=True) as (url, lake),
            run_folder(settings) as target,
            _process_environment(dbt_environment(settings, url, target=target)),
        ):
            dbt = DbtCliResource(project_dir=str(project_folder()), dbt_executable=dbt_executable())
            for event in dbt.cli(["build"], context=context, target_path=target).stream():
                if isinstance(event, Output) and event.output_name.startswith(PREFIX):
                    name = event.output_name.removeprefix(f"{PREFIX}__")
                    yield event.with_metadata({**event.metadata, **_describe(lake, name)})
                else:
                    yield event

    return marts
