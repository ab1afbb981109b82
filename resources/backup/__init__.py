"""A consistent copy of records, lake and secrets in one tar file, and the way back into an empty home."""
