"""What exists: the Dagster code location "analytics" (capture, signals, baselines, forecasts, reports)."""
