"""The synthetic estate: services, loaders, logs, metrics, pods and faults on demand, over the real protocols (A18)."""
