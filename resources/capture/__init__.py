"""Capture: fetch all due loaders at once, each in isolation, and commit what came back to the lake exactly once."""
