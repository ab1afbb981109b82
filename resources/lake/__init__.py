"""Signals: the DuckLake lake. Parquet files described by a catalog in PostgreSQL, read and written through DuckDB."""
