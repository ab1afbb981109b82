"""Checks of the running processes: API, Dagster UI, daemon, ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx

from resources.clock import utc_now
from resources.doctor.finding import Finding, ok, problem, warning
from resources.lake.connection import Lake
from resources.launch.up_file import UpFile, read_up_file
from resources.settings import Settings

_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy required lastHeartbeatErrors { message } } } } }"


def check_services(settings: Settings) -> Iterator[Finding]:
    """Whether `etlmon up` runs and each of its servers answers."""
    running = read_up_file(settings.home)
    if running is None:
        yield warning("platform", "`etlmon up` is not running for this home", "start it: `etlmon up`")
        for name, port in (("ETLMON_API_PORT", settings.api_port), ("ETLMON_UI_PORT", settings.ui_port)):
            yield _check_port(settings.api_host, port, name)
        return
    yield ok("platform", f"running since {running.started_at:%Y-%m-%d %H:%M} UTC, process {running.pid}")
    yield _check_address("API", f"{running.api}/readyz")
    yield _check_address("Dagster UI", f"{running.ui}/server_info")
    yield from _check_daemon(running)


def _check_port(host: str, port: int, name: str) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return problem(f"port {port}", f"cannot be used: {error.strerror}", f"set {name} to a free port")
    return ok(f"port {port}", "free")


def _check_address(name: str, url: str) -> Finding:
    try:
        answer = httpx.get(url, timeout=15.0, trust_env=False, verify=False)  # noqa: S501 - our own server, asked for its state
    except httpx.HTTPError as error:
        return problem(name, f"{url}: {type(error).__name__}", "look into HOME/logs; `etlmon up` restarts what dies")
    if answer.status_code != 200:
        return problem(name, f"{url} answers {answer.status_code}: {answer.text[:200]}", "look into HOME/logs")
    return ok(name, f"{answer.elapsed.total_seconds() * 1000:.0f} ms")


def _check_daemon(running: UpFile) -> Iterator[Finding]:
    try:
        answer = httpx.post(f"{running.ui}/graphql", json={"query": _DAEMONS}, timeout=10.0, trust_env=False)
        statuses = answer.json()["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (httpx.HTTPError, KeyError, ValueError) as error:
        yield problem(
            "Dagster daemon", f"its health cannot be read: {type(error).__name__}", "look into HOME/logs/webserver.log"
        )
        return
    ill = [one for one in statuses if one["required"] and not one["healthy"]]
    for one in ill:
        errors = "; ".join(error["message"][:150] for error in one["lastHeartbeatErrors"]) or "no heartbeat"
        yield problem(
            f"daemon {one['daemonType']}", errors, "look into HOME/logs/daemon.log; schedules and sensors stand still"
        )
    if not ill:
        yield ok("Dagster daemon", "schedules, sensors and run queue are alive")


def check_analytics(lake: Lake) -> Iterator[Finding]:
    """Whether what is derived keeps up with what is captured."""
    now = utc_now()
    for table, column, hours, job in (
        ("baselines", "computed_at", 14, "analytics"),
        ("forecasts", "computed_at", 14, "outlook"),
        ("signals_hourly", "hour_at", 4, "analytics"),
    ):
        newest = lake.query(f"SELECT max({column}) AS newest FROM {table}")["newest"][0]
        if newest is None:
            yield warning(table, "nothing is there yet", f"wait for the schedule, or run the job `{job}`")
        elif (now - newest).total_seconds() > hours * 3600:
            yield warning(
                table, f"the newest is of {newest:%Y-%m-%d %H:%M} UTC", f"look at the runs of the job `{job}`"
            )
        else:
            yield ok(table, f"newest {newest:%Y-%m-%d %H:%M} UTC")
