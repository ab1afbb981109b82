"""The centre: pure rules of the trade. No Dagster, web framework, database, HTTP, clock or environment in here."""
