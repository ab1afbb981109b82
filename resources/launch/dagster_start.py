"""Dagster as a part of the platform: two code locations, the webserver, the daemon."""

from __future__ import annotations

import sys

import yaml

from resources.launch.dagster_control import DagsterControl
from resources.launch.processes import Child
from resources.launch.starting import Start, await_ready, free_port
from resources.rule_files import shipped_rules


def start_dagster(start: Start) -> Child:
    """Start its four processes; the webserver."""
    start.display.begin("Dagster", "code locations, UI, daemon")
    home = start.settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text((shipped_rules().parent / "deploy" / "dagster.yaml").read_text())
    start.run.mkdir(parents=True, exist_ok=True)
    servers = []
    for name, module in (("analytics", "etlmon_assets.definitions"), ("operations", "sensors.definitions")):
        port = free_port()
        start.child(
            name,
            sys.executable,
            "-m",
            "dagster",
            "api",
            "grpc",
            "-m",
            module,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--location-name",
            name,
            "--inject-env-vars-from-instance",
        )
        servers.append({"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": name}})
    workspace = start.run / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": servers}))
    webserver = start.child(
        "webserver",
        sys.executable,
        "-m",
        "dagster_webserver",
        "-h",
        start.settings.api_host,
        "-p",
        str(start.settings.ui_port),
        "-w",
        str(workspace),
        "--log-level",
        "warning",
    )
    start.child(
        "daemon", sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace), "--log-level", "warning"
    )
    return webserver


def await_dagster(start: Start, child: Child) -> None:
    """Until both code locations are loaded."""
    control = DagsterControl(start.ui_address)
    try:

        def is_loaded() -> bool:
            states = control.loaded_locations()
            broken = {name: state for name, state in states.items() if state not in {"loaded", "loading"}}
            waiting = [name for name, state in states.items() if state == "loading"]
            start.display.update(
                "Dagster", "; ".join([f"{n}: {s}" for n, s in broken.items()] or [f"loading {n}" for n in waiting])
            )
            return len(states) == 2 and set(states.values()) == {"loaded"}

        await_ready(is_loaded, child, "Dagster")
    finally:
        control.close()
    start.display.done("Dagster", start.ui_address)
