"""Counting requests while the process is young (A13)."""

from __future__ import annotations

import subprocess
import sys

import pytest

RACE = """
import importlib, sys, threading
from resources.access.rate_counter import RateCounter
first = threading.Thread(target=importlib.import_module, args=("redis",))
first.start()
while "redis" not in sys.modules:
    pass
print(RateCounter("redis://127.0.0.1:1/0").is_shared)
first.join()
"""


@pytest.mark.requirement("A13")
def test_a_counter_made_while_another_thread_still_imports_the_client_is_whole() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "True", done.stderr[-2_000:]
