"""What is coming, as assets: seasons, forecasts, capacity dates. All from the hourly rollup."""

# Dagster reads annotations at definition time: no postponed evaluation here.
from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl
from dagster import AssetCheckSpec, AssetsDefinition, Config, MaterializeResult, asset

from etlmon_assets import keys
from etlmon_assets.showing import check, line_plot, rule_checks, rule_specs, table
from etlmon_assets.stepping import run_step
from resources.analytics.capacity import refresh_capacity
from resources.analytics.forecasts import SLOW_MODEL_SERIES, refresh_forecasts, refresh_seasonality
from resources.analytics.views import read_capacity, read_forecast_picture, read_series_names
from resources.dagster_bindings import PlatformResource

_COMMON: dict[str, Any] = {"group_name": keys.GROUP_OUTLOOK, "owners": keys.OWNERS}


class ForecastConfig(Config):
    """On how many series the slow models (ETS, ARIMA, Prophet) compete as well."""

    slow_series: int = SLOW_MODEL_SERIES


_MIN_COVERAGE, _MAX_COVERAGE = 0.65, 0.95


@asset(
    key=keys.SEASONALITY,
    check_specs=rule_specs(keys.SEASONALITY),
    deps=[keys.SIGNALS_HOURLY],
    kinds={"polars", "duckdb"},
    **_COMMON,
    description="Seasonal periods found in each series (none is an answer), and the hours of its peak load.",
)
def seasonality(platform: PlatformResource) -> Iterator[Any]:
    """Seasons and peaks."""
    with platform.open() as (_, lake):
        step = run_step(lake, refresh_seasonality)
        names = read_series_names(lake)
        strongest = step.result.periods.join(names, on="series_id").sort("strength", descending=True)
        peaks = step.result.peaks.join(names, on="series_id").sort("peak_ratio", descending=True, nulls_last=True)
        yield MaterializeResult(
            metadata={
                "rows": step.result.periods.height,
                **step.facts,
                "strongest": table(strongest.select("metric_name", "labels", "period_s", "strength")),
                "peaks": table(peaks.select("metric_name", "labels", "cycle", "weekday", "hour", "peak_ratio")),
            },
        )
        yield from rule_checks(lake, keys.SEASONALITY)


@asset(
    key=keys.FORECASTS,
    deps=[keys.SIGNALS_HOURLY, keys.SEASONALITY],
    kinds={"polars", "duckdb"},
    **_COMMON,
    description="Two days ahead for every series: models chosen per series by rolling backtest, 80 % interval, error kept beside.",
    check_specs=[
        *rule_specs(keys.FORECASTS),
        AssetCheckSpec(
            "coverage",
            asset=keys.FORECASTS,
            description="The 80 % intervals held between 65 % and 95 % of the values in the backtest.",
        ),
    ],
)
def forecasts(config: ForecastConfig, platform: PlatformResource) -> Iterator[Any]:
    """Forecasts with their backtest."""
    with platform.open() as (_, lake):
        step = run_step(lake, partial(refresh_forecasts, slow_series=config.slow_series))
        scores = step.result.scores.filter("is_chosen")
        by_model = (
            scores.group_by("model")
            .agg(
                series=pl.len(),
                mase=pl.col("mase").median(),
                smape=pl.col("smape").median(),
                coverage=pl.col("coverage").mean(),
            )
            .sort("series", descending=True)
        )
        picture = read_forecast_picture(lake, now=step.now)
        refused = step.result.refused.group_by("reason").agg(series=pl.len())
        yield MaterializeResult(
            metadata={
                "rows": step.result.forecasts.height,
                "series": step.result.forecasts["series_id"].n_unique(),
                **step.facts,
                "chosen_models": table(by_model),
                "refused": table(refused),
                "plot": line_plot(
                    picture,
                    x="shown_at",
                    lines=["observed", "forecast"],
                    band=("lower", "upper"),
                    title=picture["title"][0] if picture.height else "",
                ),
            },
        )
        coverage = scores["coverage"].drop_nans().mean()
        share = coverage if isinstance(coverage, float) else None
        text = "no backtest yet" if share is None else f"{share:.0%} of the values were inside the 80 % interval"
        is_passed = share is not None and _MIN_COVERAGE <= share <= _MAX_COVERAGE
        yield check(keys.FORECASTS, "coverage", is_passed=is_passed, summary=text)
        yield from rule_checks(lake, keys.FORECASTS)


@asset(
    key=keys.CAPACITY,
    check_specs=rule_specs(keys.CAPACITY),
    deps=[keys.SIGNALS_HOURLY],
    kinds={"polars", "duckdb"},
    **_COMMON,
    description="When each gauge with a limit reaches it: date, interval, growth per day, probability, advice with lead time.",
)
def capacity(platform: PlatformResource) -> Iterator[Any]:
    """Capacity dates."""
    with platform.open() as (_, lake):
        step = run_step(lake, refresh_capacity)
        refused = step.result.refused.group_by("reason").agg(gauges=pl.len())
        yield MaterializeResult(
            metadata={
                "rows": step.result.dates.height,
                **step.facts,
                "soonest": table(read_capacity(lake), rows=15),
                "refused": table(refused),
            },
        )
        yield from rule_checks(lake, keys.CAPACITY)


OUTLOOK_ASSETS: list[AssetsDefinition] = [seasonality, forecasts, capacity]
