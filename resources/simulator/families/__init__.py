"""What the estate exposes to Prometheus: one module per part, each a list of families with fixed series."""
