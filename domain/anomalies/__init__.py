"""Points that are not normal: against stored baselines, and causally along a series without any."""
