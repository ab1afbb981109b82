"""Who asks: a small FastAPI app, its pages, and the `etlmon` command line."""
