"""A PromQL evaluator over samples on one scrape grid, with the semantics of Prometheus 2.42."""
