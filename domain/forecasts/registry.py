"""Which model families exist, by the names a user types. A new model is a new file and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import ConfigurationError
from domain.forecasts.autoregression_variants import VARIANTS
from domain.forecasts.ets_arima import StatsForecastModel
from domain.forecasts.naive import Naive
from domain.forecasts.panel import ForecastModel
from domain.forecasts.prophet_model import ProphetModel
from domain.forecasts.seasonal_naive import SeasonalNaive

MODEL_FAMILIES: dict[str, tuple[ForecastModel, ...]] = {
    "naive": (Naive(),),
    "seasonal_naive": (SeasonalNaive(), SeasonalNaive("seasonal_naive_long", which=-1)),
    "autoregression": VARIANTS,
    "ets": (StatsForecastModel("ets"),),
    "arima": (StatsForecastModel("arima"),),
    "theta": (StatsForecastModel("theta"),),
    "mstl": (StatsForecastModel("mstl"),),
    "prophet": (ProphetModel(),),
}
#: Fast enough for every series of an estate; the others are slower by a factor of ten to a hundred.
DEFAULT_MODELS = ("naive", "seasonal_naive", "autoregression")


def choose_models(families: Sequence[str]) -> list[ForecastModel]:
    """The models of the named families; `naive` always takes part, because it always has an answer.

    Raises:
        ConfigurationError: an unknown family.
    """
    unknown = [name for name in families if name not in MODEL_FAMILIES]
    if unknown or not families:
        raise ConfigurationError(
            f"unknown forecast model: {', '.join(unknown) or '(none given)'}",
            suggestion=f"choose from {', '.join(MODEL_FAMILIES)}",
        )
    names = dict.fromkeys(("naive", *families))
    return [model for name in names for model in MODEL_FAMILIES[name]]
