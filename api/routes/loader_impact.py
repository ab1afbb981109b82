"""/api/v1/loaders/{code}: what changed between two versions, what a version would do, and capturing now (A6)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.access import allow
from api.routes.auth import Asking, Control
from api.routes.loader_answers import Code, Version
from api.wire import WireModel
from domain.errors import ConflictError
from domain.loaders.definition import document_of
from domain.loaders.diff import ChangeKind, Group, compare_load, compute_diff
from resources.clock import utc_now
from resources.json_logs import current_correlation_id
from resources.launch.capture_now import launch_capture
from resources.loaders.impact import Impact
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1/loaders/{code}", tags=["loaders"])


class ChangeAnswer(WireModel):
    """One change. Protected values are masked, that they changed is said; `lines` is a line-wise difference of longer texts."""

    group: Group
    path: str
    kind: ChangeKind
    old: Any
    new: Any
    sentence: str
    lines: list[str]


class DiffAnswer(WireModel):
    """By group, in words."""

    code: str
    from_version: int
    to_version: int
    changes: list[ChangeAnswer]
    captures_per_day_more: float


class ImpactProblem(WireModel):
    """Why the dry capture has no answer."""

    error_type: str
    reason: str
    suggestion: str


class ImpactAnswer(WireModel):
    """A dry capture of the last window; nothing of it was stored."""

    code: str
    version: int
    window_start: datetime | None
    window_end: datetime | None
    rows: int
    series: int
    labels: list[str]
    new_count: int
    vanished_count: int
    new_series: list[str]
    vanished_series: list[str]
    log_lines: int
    took_ms: float
    requests: int
    sample: list[dict[str, Any]]
    quarantine: dict[str, int]
    dropped_series: int
    signals_per_day: float
    captures_per_day: float
    captures_per_day_before: float | None
    readers: list[str]
    problem: ImpactProblem | None


class CaptureAnswer(WireModel):
    """The Dagster run that captures the loader."""

    run_id: str
    correlation_id: str


@router.get("/diff")
@allow("loaders", "read")
def read_diff(
    code: Code,
    control: Control,
    *,
    caller: Asking,
    before: Annotated[int, Query(alias="from", ge=1, le=2_147_483_647)],
    after: Annotated[int, Query(alias="to", ge=1, le=2_147_483_647)],
) -> DiffAnswer:
    """What version `to` changes against version `from`."""
    old, new = (document_of(control.loaders.get(code, one).definition) for one in (before, after))
    changes = compute_diff(old, new, control.policies.effects("loaders", caller.role))
    return DiffAnswer(
        code=code,
        from_version=before,
        to_version=after,
        changes=[
            ChangeAnswer(
                group=one.group,
                path=one.path,
                kind=one.kind,
                old=one.old,
                new=one.new,
                sentence=one.sentence,
                lines=list(one.lines),
            )
            for one in changes
        ],
        captures_per_day_more=compare_load(old, new),
    )


@router.post("/versions/{version}/preview")
@allow("loaders", "preview")
def preview(code: Code, version: Version, control: Control) -> ImpactAnswer:
    """Capture the last window of this version without storing anything. A source that fails is the answer's `problem`."""
    return _answer(control.preview_loader(code, version, at=utc_now()))


@router.post("/capture", status_code=202)
@allow("loaders", "capture")
def capture_now(code: Code, control: Control, caller: Asking) -> CaptureAnswer:
    """Launch the capture of what is due for this loader. Only its ACTIVE version is captured. The audit names who did and the run."""
    if control.loaders.get_summary(code)["active_version"] is None:
        raise ConflictError(f"{code} has no ACTIVE version", suggestion="have a version approved first")
    run_id = launch_capture(control.settings, code, at=utc_now())
    with transaction(control.engine) as connection:
        control.audit.record(
            connection,
            actor=caller.username,
            action="loader.capture",
            resource="loaders",
            resource_id=code,
            after={"runId": run_id},
        )
    return CaptureAnswer(run_id=run_id, correlation_id=current_correlation_id())


def _answer(found: Impact) -> ImpactAnswer:
    names = [name for name in ImpactAnswer.model_fields if name != "problem"]
    error = found.error
    problem = (
        ImpactProblem(error_type=error.error_type, reason=error.reason, suggestion=error.suggestion) if error else None
    )
    return ImpactAnswer(**{name: getattr(found, name) for name in names}, problem=problem)
