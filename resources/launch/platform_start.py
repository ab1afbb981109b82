"""The order in which the platform comes up, and the watch over it until it is told to stop."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import yaml

from domain.errors import ConfigurationError, StorageError
from resources.clock import utc_now
from resources.json_logs import new_correlation_id
from resources.launch.dagster_control import DagsterControl
from resources.launch.display import Display
from resources.launch.processes import Child, Processes
from resources.launch.up_file import UpFile, remove_up_file, write_up_file
from resources.platform import open_database
from resources.postgres.url import DatabaseUrl
from resources.rule_files import shipped_rules
from resources.secret_files import load_token
from resources.settings import Settings, export_environment
from resources.simulator.channel_environment import channel_environment
from resources.simulator.ports import Ports, is_free, load_ports, save_ports

_READY_S = 180.0
_EVERYTHING_JOB = "everything"
STEPS = ("database", "API", "Dagster", "synthetic estate", "loaders", "history")


@dataclass(frozen=True, slots=True)
class _Start:
    settings: Settings
    url: DatabaseUrl
    display: Display
    processes: Processes
    environment: dict[str, str]
    is_demo: bool

    @property
    def run(self) -> Path:
        return self.settings.home / "run"

    def child(self, name: str, *command: str) -> Child:
        return self.processes.start(name, list(command), environment=self.environment, logs=self.settings.home / "logs")


def run_platform(settings: Settings, display: Display, *, is_demo: bool, is_leaving_when_ready: bool = False) -> None:
    """Start everything, then watch it until an exception (a signal) ends the call; then stop everything.

    Raises:
        ConfigurationError: a port is taken; a rule file is broken.
        StorageError: a component did not come up; the reason has the end of its log.
    """
    display.plan(*(step for step in STEPS if is_demo or step != "synthetic estate"))
    _check_ports(settings)
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
            **(_simulated_channels(settings) if is_demo else {}),
        }
        admin = json.loads(_run_to_end("resources.launch.prepare", environment))
        display.done("database")
        start = _Start(settings, url, display, processes, environment, is_demo)
        _print_admin(start, admin)
        try:
            _start_all(start)
            write_up_file(
                settings.home,
                UpFile(
                    os.getpid(),
                    _api_address(settings),
                    _ui_address(settings),
                    is_demo,
                    utc_now(),
                ),
            )
            _derive_history(start)
            if not is_leaving_when_ready:
                _watch(start)
        finally:
            display.note("stopping …")
            remove_up_file(settings.home)
            processes.stop()


def _simulated_channels(settings: Settings) -> dict[str, str]:
    """Every channel leads to the receivers of the estate; what the environment sets already stays as it is.

    The ports are chosen here, because those who send start before the estate has fed its history.
    """
    path = settings.home / "simulator" / "ports.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    last = load_ports(path)
    ports = Ports(
        http=last.http if last.http and is_free(last.http) else _free_port(),
        elasticsearch=last.elasticsearch,
        smtp=last.smtp if last.smtp and is_free(last.smtp) else _free_port(),
    )
    save_ports(path, ports)
    wanted = channel_environment(
        f"http://127.0.0.1:{ports.http}/receivers", smtp_url=f"smtp://127.0.0.1:{ports.smtp}"
    ) | {"ETLMON_PUBLIC_URL": f"http://{settings.api_host}:{settings.api_port}"}
    return {name: value for name, value in wanted.items() if name not in os.environ}


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


def _start_all(start: _Start) -> None:
    simulator = _start_simulator(start) if start.is_demo else None
    dagster = _start_dagster(start)
    _start_api(start)
    _await_dagster(start, dagster)
    _print_addresses(start)
    if simulator:
        _await(lambda: _sync_connections(start), simulator, "the synthetic estate")
        start.display.done("synthetic estate", f"{start.settings.demo_days} days of its history are there")
    _seed_loaders(start)


def _start_simulator(start: _Start) -> Child:
    start.display.begin("synthetic estate", "feeding its history")
    _endpoint(start).unlink(missing_ok=True)
    _sync_connections(start)
    webhook = f"{start.environment['ETLMON_PUBLIC_URL']}/api/v1/webhooks/jira"
    days = str(start.settings.demo_days)
    options = ("--home", str(start.settings.home), "--port", "0", "--history-days", days, "--jira-webhook-url", webhook)
    return start.child("simulator", sys.executable, "-m", "resources.simulator", *options)


def _endpoint(start: _Start) -> Path:
    """Written by the simulator once its history is fed; a restarted one must be silent until then, or logs would be missing."""
    return start.settings.home / "simulator" / "endpoint.json"


def _sync_connections(start: _Start) -> bool:
    """HOME/run/connections.yaml exists exactly while the estate is ready to be captured; whether it is."""
    target = start.run / "connections.yaml"
    if not _endpoint(start).exists():
        target.unlink(missing_ok=True)
        return False
    endpoint = json.loads(_endpoint(start).read_text())
    connections = {
        "prometheus": {"url": endpoint["prometheus_url"]},
        "elasticsearch": {"url": endpoint["elasticsearch_url"]},
        "etl_runs": {"url": endpoint["sql_url"]},
    }
    content = "# written by `etlmon up --demo`\n" + yaml.safe_dump(connections)
    if not target.exists() or target.read_text() != content:
        start.run.mkdir(parents=True, exist_ok=True)
        staging = target.with_suffix(".new")
        staging.write_text(content)
        staging.rename(target)
    return True


def _start_api(start: _Start) -> None:
    start.display.begin("API")
    child = start.child("api", sys.executable, "-m", "api")
    address = _api_address(start.settings)
    _await(lambda: _answers(f"{address}/readyz"), child, "the API")
    load_token(start.settings.home, "push.token")
    start.display.done("API", address)


def _seed_loaders(start: _Start) -> None:
    start.display.begin("loaders")
    said = json.loads(_run_to_end("resources.launch.seed", start.environment, *(["--demo"] if start.is_demo else [])))
    for text in said["broken"]:
        start.display.note(text)
    text = f"{said['definitions']} definitions, {said['changed']} new or changed"
    if said["broken"]:
        start.display.failed("loaders", f"{text}; {len(said['broken'])} broken files left out")
    else:
        start.display.done("loaders", text)


def _run_to_end(module: str, environment: dict[str, str], *arguments: str) -> str:
    """Run one of our modules in a process of its own: what it imports does not stay in the memory of `etlmon up`.

    Raises:
        StorageError: with the words of the module.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        words = done.stderr.strip().splitlines()[-2:] or ["no reason given"]
        raise StorageError(" ".join(words), suggestion="`etlmon doctor` looks closer")
    return done.stdout


def _start_dagster(start: _Start) -> Child:
    start.display.begin("Dagster", "code locations, UI, daemon")
    home = start.settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text((shipped_rules().parent / "deploy" / "dagster.yaml").read_text())
    start.run.mkdir(parents=True, exist_ok=True)
    servers = []
    for name, module in (("analytics", "etlmon_assets.definitions"), ("operations", "sensors.definitions")):
        port = _free_port()
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_dagster(start: _Start, child: Child) -> None:
    control = DagsterControl(_ui_address(start.settings))
    try:

        def is_loaded() -> bool:
            states = control.loaded_locations()
            broken = {name: state for name, state in states.items() if state not in {"loaded", "loading"}}
            waiting = [name for name, state in states.items() if state == "loading"]
            start.display.update(
                "Dagster", "; ".join([f"{n}: {s}" for n, s in broken.items()] or [f"loading {n}" for n in waiting])
            )
            return len(states) == 2 and set(states.values()) == {"loaded"}

        _await(is_loaded, child, "Dagster")
    finally:
        control.close()
    start.display.done("Dagster", _ui_address(start.settings))


def _api_address(settings: Settings) -> str:
    return f"{'https' if settings.tls_cert_file else 'http'}://{settings.api_host}:{settings.api_port}"


def _ui_address(settings: Settings) -> str:
    return f"http://{settings.api_host}:{settings.ui_port}"


def _print_addresses(start: _Start) -> None:
    settings = start.settings
    start.display.note(
        f"\n  Dagster UI   {_ui_address(settings)}/asset-groups\n  API          {_api_address(settings)}/api/openapi.json\n"
        f"  home         {settings.home}\n  logs         {settings.home}/logs\n"
    )


def _print_admin(start: _Start, admin: dict[str, str]) -> None:
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


def _derive_history(start: _Start) -> None:
    """On the first start: one run that captures all history and derives everything; later starts find it done."""
    control = DagsterControl(_ui_address(start.settings))
    start.display.begin("history")
    try:
        run = control.find_run(_EVERYTHING_JOB)
        run_id = run[0] if run else _launch_everything(start, control)
        while not (state := control.read_run(run_id)).is_over:
            _keep_running(start)
            finished = sum(status in {"SUCCESS", "FAILURE"} for status in state.steps.values())
            busy = [step for step, status in state.steps.items() if status == "IN_PROGRESS"]
            start.display.update(
                "history",
                f"{finished} of {max(len(state.steps), 1)} steps, now {', '.join(busy) or state.status.lower()}",
            )
            time.sleep(1.0)
    finally:
        control.close()
    if state.status == "SUCCESS":
        start.display.done("history", "captured, baselines, forecasts and reports are there")
    else:
        address = f"{_ui_address(start.settings)}/runs/{run_id}"
        start.display.failed(
            "history", f"the first run ended with {state.status}: {address} (every later run catches up)"
        )


def _launch_everything(start: _Start, control: DagsterControl) -> str:
    today = utc_now()
    first = today - timedelta(days=start.settings.demo_days if start.is_demo else 0)
    tags = {
        "dagster/asset_partition_range_start": f"{first:%Y-%m-%d}",
        "dagster/asset_partition_range_end": f"{today:%Y-%m-%d}",
        "etlmon/correlation_id": new_correlation_id(),
    }
    config = {"ops": {"capture": {"config": {"mode": "due"}}, "forecasts": {"config": {"slow_series": 1}}}}
    return control.launch(_EVERYTHING_JOB, location="analytics", tags=tags, run_config=config)


def _await(is_ready: Callable[[], bool], child: Child, what: str) -> None:
    """Wait for a component, watching its process.

    Raises:
        StorageError: it died or took too long; the reason has the end of its log.
    """
    deadline = time.monotonic() + _READY_S
    while not is_ready():
        if not child.is_running or time.monotonic() > deadline:
            raise StorageError(
                f"{what} did not come up: {child.last_lines(3)}", suggestion=f"read {child.log}", component=child.name
            )
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        # our own child on our own machine, asked for its state: its certificate is for the names others use
        return httpx.get(url, timeout=15.0, trust_env=False, verify=False).status_code == 200  # noqa: S501
    except httpx.HTTPError:
        return False


def _keep_running(start: _Start) -> None:
    for name in start.processes.revive(now=time.monotonic()):
        if name == "simulator":
            _endpoint(start).unlink(missing_ok=True)
        start.display.note(f"{name} had died and was started again; see {start.settings.home}/logs/{name}.log")
    if start.is_demo:
        _sync_connections(start)


def _watch(start: _Start) -> None:
    """Restart what dies, until a signal comes."""
    while True:
        _keep_running(start)
        time.sleep(1.0)
