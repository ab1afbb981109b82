"""/api/v1/field-policies: which field of which resource is hidden or masked for which role; an ADMIN changes it at run time (A4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access import allow, control_plane, current_caller
from domain.access.field_paths import PROTECTED
from domain.access.field_protection import Effect, FieldPolicy
from domain.access.permissions import Caller, Role
from resources.control_plane import ControlPlane

router = APIRouter(prefix="/api/v1/field-policies", tags=["field policies"])

_RESOURCE = r"^[a-z][a-z-]{0,63}$"
_FIELD = r"^[A-Za-z_*][A-Za-z0-9_.*-]{0,255}$"
Control = Annotated[ControlPlane, Depends(control_plane)]
Asking = Annotated[Caller, Depends(current_caller)]


class Policy(BaseModel):
    """How a field looks to a role."""

    model_config = ConfigDict(extra="forbid")

    resource: str = Field(pattern=_RESOURCE, examples=["loaders"])
    field: str = Field(
        pattern=_FIELD, description="dotted path; `*` stands for one step", examples=["connection.headers.*"]
    )
    role: Role
    effect: Effect


class PolicyRow(Policy):
    """A policy as it is stored."""

    isEffective: bool = Field(  # noqa: N815 - the JSON name
        description="false: made before such policies were refused; no answer is changed by it, only audit entries about"
        " the resource are"
    )


class Policies(BaseModel):
    """All of them; there are few."""

    items: list[PolicyRow]
    total: int


@router.get("")
@allow("field-policies", "read")
def list_field_policies(control: Control) -> Policies:
    """All policies. Where several match one field the strictest counts; a secret that none names is masked."""
    rows = control.policies.list_policies()
    items = [
        PolicyRow(
            resource=one.resource,
            field=one.field,
            role=one.role,
            effect=one.effect,
            isEffective=one.resource in PROTECTED,
        )
        for one in rows
    ]
    return Policies(items=items, total=len(items))


@router.put("")
@allow("field-policies", "edit")
def put_field_policy(control: Control, caller: Asking, policy: Policy) -> Policy:
    """Set one. It holds in every process within a second. Resources whose answers no policy changes are refused (422)."""
    wanted = FieldPolicy(policy.resource, policy.field, policy.role, policy.effect)
    control.policies.put(wanted, control.audit, actor=caller.username)
    return policy


@router.delete("", status_code=204, response_class=Response)
@allow("field-policies", "edit")
def delete_field_policy(
    control: Control,
    caller: Asking,
    resource: Annotated[str, Query(pattern=_RESOURCE)],
    field: Annotated[str, Query(pattern=_FIELD)],
    role: Role,
) -> None:
    """Take one back: the field is visible again; a secret one stays masked."""
    control.policies.delete(FieldPolicy(resource, field, role, Effect.VISIBLE), control.audit, actor=caller.username)
