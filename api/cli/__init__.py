"""The `etlmon` command line. One file per command; `main.py` only finds them."""
