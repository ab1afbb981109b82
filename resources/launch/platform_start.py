"""The order in which the platform comes up, and the watch over it until it is told to stop."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

from domain.errors import ConfigurationError
from resources.clock import utc_now
from resources.launch.dagster_start import await_dagster, start_dagster
from resources.launch.display import Display
from resources.launch.estate import endpoint, simulated_channels, start_simulator, sync_connections
from resources.launch.history import derive_history
from resources.launch.processes import Processes
from resources.launch.starting import Start, answers, await_ready, run_to_end
from resources.launch.up_file import UpFile, remove_up_file, write_up_file
from resources.platform import open_database
from resources.secret_files import load_token
from resources.settings import Settings, demo_file, export_environment

STEPS = ("database", "API", "Dagster", "synthetic estate", "loaders", "history")


def run_platform(settings: Settings, display: Display, *, is_demo: bool, is_leaving_when_ready: bool = False) -> None:
    """Start everything, then watch it until an exception (a signal) ends the call; then stop everything.

    Raises:
        ConfigurationError: a port is taken; a rule file is broken.
        StorageError: a component did not come up; the reason has the end of its log.
    """
    display.plan(*(step for step in STEPS if is_demo or step != "synthetic estate"))
    _check_ports(settings)
    demo_file(settings.home).unlink(missing_ok=True)
    display.begin("database", "embedded PostgreSQL" if settings.database_url is None else "external PostgreSQL")
    processes = Processes()
    with open_database(settings) as url:
        environment = {
            **export_environment(settings),
            "ETLMON_DATABASE_URL": url.render(),
            "ETLMON_DAGSTER_URL": url.dagster(),
            "DAGSTER_HOME": str(settings.home / "dagster"),
            "PYTHONUNBUFFERED": "1",
            "DAGSTER_DISABLE_TELEMETRY": "1",
            **(simulated_channels(settings) if is_demo else {}),
        }
        admin = json.loads(run_to_end("resources.launch.prepare", environment))
        display.done("database")
        start = Start(settings, url, display, processes, environment, is_demo)
        _print_admin(start, admin)
        try:
            _start_all(start)
            write_up_file(
                settings.home,
                UpFile(
                    os.getpid(),
                    start.api_address,
                    start.ui_address,
                    is_demo,
                    utc_now(),
                ),
            )
            derive_history(start, lambda: _keep_running(start))
            if not is_leaving_when_ready:
                _watch(start)
        finally:
            display.note("stopping …")
            remove_up_file(settings.home)
            demo_file(settings.home).unlink(missing_ok=True)
            processes.stop()


def _check_ports(settings: Settings) -> None:
    for name, port in (("ETLMON_API_PORT", settings.api_port), ("ETLMON_UI_PORT", settings.ui_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.api_host, port))
            except OSError:
                raise ConfigurationError(
                    f"port {port} is taken by another program (is etlmon running already?)",
                    suggestion=f"stop it, or set {name} / --{name[7:].lower().replace('_', '-')} to a free port",
                    port=port,
                ) from None


def _start_all(start: Start) -> None:
    simulator = start_simulator(start) if start.is_demo else None
    dagster = start_dagster(start)
    _start_api(start)
    await_dagster(start, dagster)
    _print_addresses(start)
    if simulator:
        await_ready(lambda: sync_connections(start), simulator, "the synthetic estate")
        start.display.done("synthetic estate", f"{start.settings.demo_days} days of its history are there")
    _seed_loaders(start)


def _start_api(start: Start) -> None:
    start.display.begin("API")
    child = start.child("api", sys.executable, "-m", "api")
    address = start.api_address
    await_ready(lambda: answers(f"{address}/readyz"), child, "the API")
    load_token(start.settings.home, "push.token")
    start.display.done("API", address)


def _seed_loaders(start: Start) -> None:
    start.display.begin("loaders")
    said = json.loads(run_to_end("resources.launch.seed", start.environment, *(["--demo"] if start.is_demo else [])))
    for text in [*said["broken"], *said["left_out"]]:
        start.display.note(text)
    if said["retired"]:
        start.display.note(f"archived, their rule files are gone: {', '.join(said['retired'])}")
    text = f"{said['definitions']} definitions, {said['changed']} new or changed"
    if said["broken"]:
        start.display.failed("loaders", f"{text}; {len(said['broken'])} broken files left out")
    else:
        start.display.done("loaders", text)


def _print_addresses(start: Start) -> None:
    settings = start.settings
    start.display.note(
        f"\n  Dagster UI   {start.ui_address}/asset-groups\n  API          {start.api_address}/api/openapi.json\n"
        f"  home         {settings.home}\n  logs         {settings.home}/logs\n"
    )


def _print_admin(start: Start, admin: dict[str, str]) -> None:
    """The password of the first admin, once and only here; a start that was killed before is told how to get another."""
    if admin["password"]:
        start.display.note(
            f"  log in as    {admin['admin']}\n  password     {admin['password']}\n"
            "               shown only now; the first login asks for another one\n"
        )
    elif admin["isWaiting"]:
        start.display.note(
            f"  {admin['admin']} has never logged in; `etlmon user reset-password {admin['admin']}` gives another password\n"
        )


def _keep_running(start: Start) -> None:
    for name in start.processes.revive(now=time.monotonic()):
        if name == "simulator":
            endpoint(start).unlink(missing_ok=True)
        start.display.note(f"{name} had died and was started again; see {start.settings.home}/logs/{name}.log")
    if start.is_demo:
        sync_connections(start)


def _watch(start: Start) -> None:
    """Restart what dies, until a signal comes."""
    while True:
        _keep_running(start)
        time.sleep(1.0)
