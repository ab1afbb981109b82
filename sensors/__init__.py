"""What happens: the Dagster code location "operations" (maintenance, retention, watching the watcher)."""
