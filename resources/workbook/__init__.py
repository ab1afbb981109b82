"""Workbooks of loaders: files in and out, and the service of the control plane. Layout and rows are in `domain.loaders` (A8)."""
