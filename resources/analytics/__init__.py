"""Between the lake and the estimators: each file reads what one estimator needs, calls it, and replaces what it said before."""
