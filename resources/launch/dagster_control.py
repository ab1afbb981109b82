"""Talking to our own Dagster webserver over GraphQL: is it ready, launch a job, how far is a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from domain.errors import StorageError
from resources.tracing import run_tags

_LOCATIONS = (
    "query { workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename "
    "... on PythonError { message } } } } } }"
)
_LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } ... on PipelineNotFoundError { message } } }"""
_RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { stepKey status } } } }"""
_RUNS = """query($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 1) { ... on Runs { results { runId status } } } }"""


@dataclass(frozen=True, slots=True)
class RunState:
    """Status of a run and its steps by status."""

    status: str
    steps: dict[str, str]

    @property
    def is_over(self) -> bool:
        """No more changes will come."""
        return self.status in {"SUCCESS", "FAILURE", "CANCELED"}


class DagsterControl:
    """GraphQL client of the webserver on loopback."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(timeout=20.0, trust_env=False)

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def _ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._client.post(f"{self._url}/graphql", json={"query": query, "variables": variables or {}})
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data

    def loaded_locations(self) -> dict[str, str]:
        """Code locations by name: `loaded`, `loading`, or the message of what went wrong. Empty while the server starts."""
        try:
            entries = self._ask(_LOCATIONS)["workspaceOrError"].get("locationEntries", [])
        except (httpx.HTTPError, KeyError, ValueError):
            return {}
        return {entry["name"]: _location_state(entry) for entry in entries}

    def launch(self, job: str, *, location: str, tags: dict[str, str], run_config: dict[str, Any]) -> str:
        """Launch a job; returns the run id. The run continues the correlation id and the trace of this call.

        Raises:
            StorageError: Dagster's words why it did not.
        """
        tags = {**run_tags(), **tags}
        params = {
            "selector": {"jobName": job, "repositoryLocationName": location, "repositoryName": "__repository__"},
            "runConfigData": run_config,
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self._ask(_LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise StorageError(f"Dagster did not launch {job}: {answer}", suggestion="see the log of the webserver")
        return str(answer["run"]["runId"])

    def find_run(self, job: str) -> tuple[str, str] | None:
        """Run id and status of the newest run of a job that succeeded or is under way; None when there is none."""
        statuses = ["SUCCESS", "STARTED", "QUEUED", "STARTING", "NOT_STARTED"]
        found = self._ask(_RUNS, {"filter": {"pipelineName": job, "statuses": statuses}})["runsOrError"]["results"]
        return (found[0]["runId"], found[0]["status"]) if found else None

    def read_run(self, run_id: str) -> RunState:
        """How far a run is."""
        run = self._ask(_RUN, {"id": run_id})["runOrError"]
        return RunState(
            run.get("status", "UNKNOWN"), {one["stepKey"]: one["status"] for one in run.get("stepStats", [])}
        )


def _location_state(entry: dict[str, Any]) -> str:
    loaded = entry.get("locationOrLoadError") or {}
    if loaded.get("__typename") == "PythonError":
        return str(loaded["message"])[:500]
    return "loaded" if entry["loadStatus"] == "LOADED" and loaded else "loading"
