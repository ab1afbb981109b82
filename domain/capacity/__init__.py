"""When a gauge reaches its limit, how sure that is, and what to do about it by when. Works on all gauges at once.

Reads points and limits; forecasting for its own sake is `domain.forecasts`, alerts about the answer are detection's.
"""

from domain.capacity.capacity_dates import CAPACITY_SCHEMA, DEFAULT_HORIZON_DAYS, CapacityResult, compute_capacity
from domain.capacity.recommendation import CapacityAdvice

__all__ = ["CAPACITY_SCHEMA", "DEFAULT_HORIZON_DAYS", "CapacityAdvice", "CapacityResult", "compute_capacity"]
