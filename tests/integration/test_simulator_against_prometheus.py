"""The estate's PromQL answers against real Prometheus on the same raw samples, for every shipped query and many more."""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette

from resources.simulator.fault_model import FaultWindow, load_fault_catalogue
from resources.simulator.grid import DAY_MS, last_index_at
from resources.simulator.openmetrics import export_openmetrics
from resources.simulator.prometheus_api import PrometheusApi
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import load_topology

RULES = Path(__file__).resolve().parents[2] / "rules"
BEGIN_MS = 1_773_100_800_000  # a Tuesday; the range crosses the weekly deploy
END_MS = BEGIN_MS + 3 * DAY_MS // 2
STEPS = {"short": (END_MS - 3 * 3_600_000, 60), "long": (BEGIN_MS + DAY_MS // 4, 300), "odd": (END_MS - 7_200_000, 77)}

EXTRA = """
http_requests_total{service="gateway",status=~"5..",endpoint!="/api/import"}
{__name__=~"redis_.*",service!~"gateway|auth"}
up
up{service=""}
rate(http_requests_total{service="loader"}[1m])
rate(http_requests_total{service="loader"}[90s] offset 10m)
irate(container_cpu_usage_seconds_total[5m])
increase(etl_loader_runs_total[1d])
increase(kube_pod_container_status_restarts_total[10m])
delta(node_filesystem_avail_bytes[6h])
idelta(redis_connected_clients[5m])
deriv(node_filesystem_avail_bytes[2h])
predict_linear(node_filesystem_avail_bytes{mountpoint="/var/lib/data"}[6h], 86400)
changes(db_connection_pool_active[30m])
resets(http_requests_total{status="200"}[1d])
avg_over_time(db_connection_pool_active[10m])
sum_over_time(up[15m])
min_over_time(container_memory_usage_bytes[15m])
max_over_time(container_memory_usage_bytes[15m])
count_over_time(up[12m])
last_over_time(etl_loader_duration_seconds[20m])
present_over_time(up[10m])
stddev_over_time(redis_connected_clients[20m])
stdvar_over_time(redis_connected_clients[20m])
quantile_over_time(0.9, db_connection_pool_active[20m])
sum by (service) (rate(http_requests_total[5m]))
sum without (status, job) (rate(http_requests_total[5m]))
avg(up)
min by (node) (container_memory_usage_bytes)
max by (node) (container_memory_usage_bytes)
count by (service) (up == 1)
stddev by (service) (container_memory_usage_bytes)
group by (service) (up)
quantile by (service) (0.7, container_memory_usage_bytes)
topk(3, sum by (service, endpoint) (rate(http_requests_total[5m])))
bottomk(2, container_memory_usage_bytes)
topk by (node) (1, container_memory_usage_bytes)
histogram_quantile(0.5, rate(http_request_duration_seconds_bucket[5m]))
histogram_quantile(0.95, sum by (caller, callee, le) (rate(client_request_duration_seconds_bucket[10m])))
histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{le!="+Inf"}[5m])))
rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])
container_memory_usage_bytes / container_spec_memory_limit_bytes > 0.4
container_memory_usage_bytes / on (pod) group_left (node) container_spec_memory_limit_bytes
container_memory_usage_bytes * on (pod) group_left () up
up * on (pod) group_right (service) container_memory_usage_bytes
sum by (service) (up) / ignoring (nothing) count by (service) (up)
up > bool 0
2 ^ 3 % 5 - 1
-up + 3
100 - up * 7 % 4
up and on (service) redis_up
redis_connected_clients or pg_stat_activity_count
up unless on (service) redis_up
up == 0
db_connection_pool_active >= 3 <= 9
time() - etl_loader_last_success_timestamp_seconds
vector(1) + scalar(sum(up))
scalar(up)
abs(-redis_connected_clients)
ceil(redis_connected_clients / 7)
floor(redis_connected_clients / 7)
round(redis_connected_clients / 7, 0.5)
clamp(redis_connected_clients, 30, 40)
clamp_min(redis_connected_clients, 35)
clamp_max(redis_connected_clients, 35)
sqrt(redis_connected_clients) + ln(redis_connected_clients) + log2(redis_connected_clients)
sgn(redis_connected_clients - 40)
absent(no_such_metric{job="x",y=~"z"})
absent(up)
absent_over_time(no_such_metric[5m])
label_replace(up, "short", "$1-x", "pod", "([a-z]+)-.*")
label_join(up, "both", "/", "job", "service")
hour() + minute() + day_of_week()
day_of_month(etl_loader_last_success_timestamp_seconds)
timestamp(redis_connected_clients)
max_over_time(sum by (service) (rate(http_requests_total[5m]))[1h:5m])
avg_over_time(redis_connected_clients[30m:])
rate(http_requests_total{service="auth"}[5m] offset -5m)
redis_connected_clients @ 1773187200
sum(http_requests_total) by (service) > 1e5
sort_desc(redis_connected_clients)
no_such_metric
1 / 0
0 / 0 + up
""".strip().splitlines()


def shipped_queries() -> list[str]:
    found = []
    for path in sorted((RULES / "loaders").glob("*.yaml")):
        body = yaml.safe_load(path.read_text())
        loaders = body if isinstance(body, list) else [body]
        found += [query["promql"] for loader in loaders for query in loader.get("prometheus", [])]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def store() -> SampleStore:
    catalogue = load_fault_catalogue()
    store = SampleStore(load_topology(), catalogue, seed=7, begin_ms=BEGIN_MS)
    near_end = (END_MS - 7_000_000) / 1000
    store.replace_windows(
        [
            FaultWindow(fault.name, fault.name, near_end + 300 * i, near_end + 300 * i + 420)
            for i, fault in enumerate(catalogue.faults)
        ]
    )
    return store


@pytest.fixture(scope="module")
def real(store: SampleStore, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("prometheus")
    last = int(last_index_at(END_MS))
    with (folder / "samples.txt").open("w") as file:
        file.writelines(export_openmetrics(store, first_index=last - 3 * 1440, last_index=last))
    promtool = shutil.which("promtool")
    create = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=240h"]
    subprocess.run([*create, folder / "samples.txt", folder / "data"], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    process = subprocess.Popen(
        [
            shutil.which("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not _is_ready(client):
        assert process.poll() is None
    yield client
    client.close()
    process.terminate()
    process.wait(10)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def ours(store: SampleStore):
    port = free_port()
    app = Starlette(routes=PrometheusApi(store, lambda: END_MS).routes())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not _is_ready(client):
            assert thread.is_alive()
        yield client
    server.should_exit = True
    thread.join(10)


def differences(real: dict, ours: dict) -> list[str]:
    """What a reader of both answers would notice."""
    if real["status"] != ours["status"] or real["status"] == "error":
        same = real["status"] == ours["status"] and real["errorType"] == ours["errorType"]
        return [] if same else [f"{real} / {ours}"]
    a, b = real["data"], ours["data"]
    if a["resultType"] != b["resultType"]:
        return [f"{a['resultType']} / {b['resultType']}"]
    if a["resultType"] in {"scalar", "string"}:
        return _compare("", [a["result"]], [b["result"]])
    left = {tuple(sorted(row["metric"].items())): row for row in a["result"]}
    right = {tuple(sorted(row["metric"].items())): row for row in b["result"]}
    found = [f"only one has {key}" for key in left.keys() ^ right.keys()]
    for key in left.keys() & right.keys():
        rows = [row.get("values") or [row["value"]] for row in (left[key], right[key])]
        found += _compare(str(key), *rows)
    return found[:5]


def _compare(key: str, real: list, ours: list) -> list[str]:
    if [t for t, _ in real] != [t for t, _ in ours]:
        return [f"{key}: instants differ: {len(real)} / {len(ours)}, {real[:2]} / {ours[:2]}"]
    return [f"{key} {a} / {b}" for a, b in zip(real, ours, strict=True) if not _is_close(a[1], b[1])]


def _is_close(a: str, b: str) -> bool:
    if a == b:
        return True
    x, y = float(a), float(b)
    return (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.needs("prometheus")
@pytest.mark.requirement("A18")
def test_ranges_of_all_queries_equal_those_of_prometheus(real: httpx.Client, ours: httpx.Client) -> None:
    queries = shipped_queries() + EXTRA
    assert len(queries) > 60
    found = []
    for query in queries:
        for name, (start_ms, step) in STEPS.items():
            parameters = {"query": query, "start": start_ms / 1000, "end": END_MS / 1000, "step": step}
            answers = [client.get("/api/v1/query_range", params=parameters).json() for client in (real, ours)]
            found += [f"{name} {query}: {text}" for text in differences(*answers)]
    assert not found, "\n".join(found[:40])


@pytest.mark.needs("prometheus")
@pytest.mark.requirement("A18")
def test_instants_of_all_queries_equal_those_of_prometheus(real: httpx.Client, ours: httpx.Client) -> None:
    found = []
    for query in [*shipped_queries(), *EXTRA, "up[3m]", '"text"', "up[5m:1m]"]:
        parameters = {"query": query, "time": (END_MS - 1_234_567) / 1000}
        answers = [client.get("/api/v1/query", params=parameters).json() for client in (real, ours)]
        found += [f"{query}: {text}" for text in differences(*answers)]
    assert not found, "\n".join(found[:40])


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/v1/query", {"query": "sum("}),
        ("/api/v1/query", {"query": "rate(up)"}),
        ("/api/v1/query", {"query": ""}),
        ("/api/v1/query", {"query": "up", "time": "yesterday"}),
        ("/api/v1/query", {"query": "up * on (job) up", "time": str(END_MS / 1000)}),
        ("/api/v1/query_range", {"query": "up", "start": "10", "end": "5", "step": "1"}),
        ("/api/v1/query_range", {"query": "up", "start": "10", "end": "50", "step": "0"}),
        ("/api/v1/query_range", {"query": "up", "start": "10", "end": "50", "step": "x"}),
        ("/api/v1/query_range", {"query": "up", "start": "0", "end": "11001", "step": "1"}),
        ("/api/v1/query_range", {"query": "up[5m]", "start": "0", "end": "60", "step": "1"}),
        ("/api/v1/series", {}),
    ],
)
def test_errors_have_the_status_and_type_of_prometheus(real, ours, path: str, parameters: dict) -> None:
    answers = [client.get(path, params=parameters) for client in (real, ours)]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json()["errorType"] == answers[1].json()["errorType"]
    if parameters.get("step"):
        assert answers[0].json()["error"] == answers[1].json()["error"]


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    "path",
    ["/api/v1/labels?match[]=up", "/api/v1/label/service/values?match[]=up", "/api/v1/series?match[]=redis_up"],
)
def test_metadata_equals_that_of_prometheus(real: httpx.Client, ours: httpx.Client, path: str) -> None:
    window = f"&start={(END_MS - 3_600_000) / 1000}&end={END_MS / 1000}"
    assert real.get(path + window).json() == ours.get(path + window).json()
