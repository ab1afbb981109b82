"""From signals to alerts: rules, their evaluation, deduplication, flapping, correlation. Reads signals, never incidents' state."""
