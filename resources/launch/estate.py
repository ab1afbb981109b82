"""The synthetic estate as a part of the demo: its process, its connections, and the channels that lead to its receivers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import yaml

from resources.launch.processes import Child
from resources.launch.starting import Start, free_port
from resources.settings import Settings, demo_file
from resources.simulator.channel_environment import channel_environment
from resources.simulator.ports import Ports, is_free, load_ports, save_ports


def simulated_channels(settings: Settings) -> dict[str, str]:
    """Every channel leads to the receivers of the estate; what the environment sets already stays as it is. Left in a file, too.

    The ports are chosen here, because those who send start before the estate has fed its history.
    """
    path = settings.home / "simulator" / "ports.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    last = load_ports(path)
    ports = Ports(
        http=last.http if last.http and is_free(last.http) else free_port(),
        elasticsearch=last.elasticsearch,
        smtp=last.smtp if last.smtp and is_free(last.smtp) else free_port(),
    )
    save_ports(path, ports)
    wanted = channel_environment(
        f"http://127.0.0.1:{ports.http}/receivers", smtp_url=f"smtp://127.0.0.1:{ports.smtp}"
    ) | {"ETLMON_PUBLIC_URL": f"http://{settings.api_host}:{settings.api_port}"}
    chosen = {name: value for name, value in wanted.items() if name not in os.environ}
    file = demo_file(settings.home)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))
    return chosen


def start_simulator(start: Start) -> Child:
    """Its history is fed while the others start."""
    start.display.begin("synthetic estate", "feeding its history")
    endpoint(start).unlink(missing_ok=True)
    sync_connections(start)
    webhook = f"{start.environment['ETLMON_PUBLIC_URL']}/api/v1/webhooks/jira"
    days = str(start.settings.demo_days)
    options = ("--home", str(start.settings.home), "--port", "0", "--history-days", days, "--jira-webhook-url", webhook)
    return start.child("simulator", sys.executable, "-m", "resources.simulator", *options)


def sync_connections(start: Start) -> bool:
    """HOME/run/connections.yaml exists exactly while the estate is ready to be captured; whether it is."""
    target = start.run / "connections.yaml"
    if not endpoint(start).exists():
        target.unlink(missing_ok=True)
        return False
    found = json.loads(endpoint(start).read_text())
    connections = {
        "prometheus": {"url": found["prometheus_url"]},
        "elasticsearch": {"url": found["elasticsearch_url"]},
        "etl_runs": {"url": found["sql_url"]},
    }
    content = "# written by `etlmon up --demo`\n" + yaml.safe_dump(connections)
    if not target.exists() or target.read_text() != content:
        start.run.mkdir(parents=True, exist_ok=True)
        staging = target.with_suffix(".new")
        staging.write_text(content)
        staging.rename(target)
    return True


def endpoint(start: Start) -> Path:
    """Written by the simulator once its history is fed; a restarted one must be silent until then, or logs would be missing."""
    return start.settings.home / "simulator" / "endpoint.json"
