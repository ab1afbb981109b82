"""`python -m resources.simulator --home DIR`: the synthetic estate as one process with its log store as a child.

Prints one line of JSON with its addresses when it answers; writes them to HOME/simulator/endpoint.json once the history
of log lines and runs is complete. Ends cleanly on SIGTERM, SIGINT or, with --watch-stdin,
when its standard input closes. Listens on 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import orjson
import uvicorn
from starlette.applications import Starlette

from domain.errors import EtlmonError
from resources.clock import utc_now
from resources.simulator.channel_environment import SIMULATED_TWILIO_TOKEN
from resources.simulator.control_api import ControlApi
from resources.simulator.estate import Estate, open_estate
from resources.simulator.feeds import Feeds
from resources.simulator.log_feed import LogFeed
from resources.simulator.log_lines import LogBook, load_log_messages
from resources.simulator.log_store import LogStore
from resources.simulator.memory import limit_allocator
from resources.simulator.ports import Ports, is_free, load_ports, open_listener, save_ports
from resources.simulator.process_log import write_log
from resources.simulator.prometheus_api import PrometheusApi
from resources.simulator.received import ReceivedBook
from resources.simulator.receivers import Receivers
from resources.simulator.receivers_smtp import FakeMailServer
from resources.simulator.run_feed import RunFeed


def main() -> int:
    """Run until told to stop; 0 after a clean end."""
    options = _parse_options()
    limit_allocator()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return _serve(options, stop)
    except (EtlmonError, OSError) as error:
        write_log("simulator failed", level="ERROR", error_type=type(error).__name__, reason=str(error))
        return 2


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m resources.simulator", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of the platform's state")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the Prometheus API; 0: the last one, or a free one"
    )
    parser.add_argument(
        "--elasticsearch-port", type=int, default=0, help="port of the log store; 0: the last one, or a free one"
    )
    parser.add_argument("--sql-url", help="SQLAlchemy URL for etl_runs; unset: SQLite in the home")
    parser.add_argument("--seed", type=int, default=7, help="of a new estate; an existing one keeps its own")
    parser.add_argument("--history-days", type=float, default=30.0, help="of a new estate")
    parser.add_argument("--no-logs", action="store_true", help="without the log store")
    parser.add_argument(
        "--twilio-token", default=SIMULATED_TWILIO_TOKEN, help="signs what the simulated Twilio sends to the platform"
    )
    parser.add_argument(
        "--jira-webhook-url", default="", help="where the simulated Jira tells what happened; unset: nowhere"
    )
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input closes")
    return parser.parse_args()


def _now_s() -> float:
    return utc_now().timestamp()


def _serve(options: argparse.Namespace, stop: threading.Event) -> int:
    home = options.home.expanduser().resolve()
    last = load_ports(home / "simulator" / "ports.json")
    listener = open_listener(options.port, last=last.http)
    estate = open_estate(home, now_ms=_now_ms(), seed=options.seed, history_days=options.history_days)
    store = None if options.no_logs else LogStore(port=_choose_store_port(options, last))
    receivers = Receivers(
        ReceivedBook(_now_s), twilio_auth_token=options.twilio_token, jira_webhook_url=options.jira_webhook_url
    )
    mail = FakeMailServer(receivers.book, port=last.smtp if last.smtp and is_free(last.smtp) else 0)
    try:
        sql_url = options.sql_url or f"sqlite:///{estate.folder / 'etl_runs.db'}"
        feeds = _build_feeds(estate, store, sql_url, keep_days=options.history_days)
        urls = {"prometheus_url": f"http://127.0.0.1:{listener.getsockname()[1]}", "sql_url": sql_url}
        if store is not None:
            urls["elasticsearch_url"] = store.url
        urls["receivers_url"] = f"{urls['prometheus_url']}/receivers"
        urls["smtp_url"] = mail.url
        ports = Ports(listener.getsockname()[1], store.port if store else 0, mail.port)
        save_ports(estate.folder / "ports.json", ports)
        _run_server(estate, feeds, urls, listener, stop, receivers=receivers, watch_stdin=options.watch_stdin)
    finally:
        mail.close()
        if store is not None:
            store.close()
    return 0


def _choose_store_port(options: argparse.Namespace, last: Ports) -> int:
    if options.elasticsearch_port:
        return int(options.elasticsearch_port)
    return last.elasticsearch if last.elasticsearch and is_free(last.elasticsearch) else 0


def _now_ms() -> int:
    return int(_now_s() * 1000)


def _build_feeds(estate: Estate, store: LogStore | None, sql_url: str, *, keep_days: float) -> Feeds:
    begin_s = estate.record.begin_ms / 1000
    logs = None
    if store is not None:
        book = LogBook(estate.topology, load_log_messages(), estate.catalogue, seed=estate.record.seed)
        logs = LogFeed(book, store.url, from_s=max(begin_s, _now_s() - keep_days * 86_400))
        logs.prepare()
    runs = RunFeed(sql_url, lambda day: estate.samples.day(day).runs, from_s=begin_s)
    return Feeds(estate, logs, runs, _now_s)


def _run_server(
    estate: Estate,
    feeds: Feeds,
    urls: dict[str, str],
    listener: socket.socket,
    stop: threading.Event,
    *,
    receivers: Receivers,
    watch_stdin: bool,
) -> None:
    routes = [
        *PrometheusApi(estate.samples, _now_ms).routes(),
        *ControlApi(estate, feeds, _now_s, urls).routes(),
        *receivers.routes(),
    ]
    config = uvicorn.Config(Starlette(routes=routes), log_level="error", access_log=False, timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
    thread.start()
    feeds.start(lambda: _write_endpoint(estate, urls))
    if watch_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    _announce(urls)
    while not stop.wait(1.0) and thread.is_alive():
        pass
    server.should_exit = True
    feeds.stop()
    estate.endpoint_path.unlink(missing_ok=True)
    thread.join(10)
    write_log("simulator stopped")


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop.set()


def _write_endpoint(estate: Estate, urls: dict[str, str]) -> None:
    """Only now may statistics be captured: whoever captured earlier would find days without log lines."""
    draft = estate.endpoint_path.with_suffix(".draft")
    draft.write_bytes(orjson.dumps({"pid": os.getpid(), **urls}))
    draft.replace(estate.endpoint_path)


def _announce(urls: dict[str, str]) -> None:
    sys.stdout.buffer.write(orjson.dumps({**urls, "ready": True}) + b"\n")
    sys.stdout.buffer.flush()
    write_log("simulator ready", **urls)


if __name__ == "__main__":
    sys.exit(main())
