"""Loaders: the versioned definitions of what to capture. Parsing and lifecycle rules; storage lives in resources/."""
