"""Field policies: which field of which resource is hidden or masked for which role (A4)."""

from __future__ import annotations

from fastapi import Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.questions import carry_out
from api.pages.rendering import render
from domain.access.field_paths import PROTECTED
from domain.access.field_protection import SECRETS, Effect, FieldPolicy
from domain.access.permissions import Role
from domain.errors import InputDataError

router = page_router()


@router.get("/policies")
@allow("field-policies", "read")
def list_field_policies(request: Request) -> Response:
    """One row per field, one column per role."""
    policies = control_plane(request).policies.list_policies()
    table: dict[tuple[str, str], dict[str, str]] = {}
    for one in policies:
        table.setdefault((one.resource, one.field), {})[one.role.value] = one.effect.value
    return render(
        request,
        "policies.html",
        crumbs=[("Overview", "/"), ("Field policies", "/policies")],
        table=table,
        roles=[role.value for role in Role],
        resources=sorted(PROTECTED),
        secrets={(resource, field) for resource, fields in SECRETS.items() for field in fields},
    )


@router.post("/policies")
@allow("field-policies", "edit")
def change_field_policies(request: Request, form: Posted) -> Response:
    """Set what changed of one field; an empty choice takes the policy away."""
    return carry_out(request, "/policies", lambda: _save(request, form))


def _save(request: Request, form: PostedForm) -> Flash:
    control, actor = control_plane(request), current_caller(request).username
    resource, field = form.text("resource"), form.text("field")
    present = {
        one.role: one.effect
        for one in control.policies.list_policies()
        if (one.resource, one.field) == (resource, field)
    }
    changed = 0
    for role in Role:
        wanted = _effect(form.text(role.value))
        if wanted is present.get(role):
            continue
        changed += 1
        if wanted is None:
            control.policies.delete(FieldPolicy(resource, field, role, Effect.VISIBLE), control.audit, actor=actor)
        else:
            control.policies.put(FieldPolicy(resource, field, role, wanted), control.audit, actor=actor)
    if not changed:
        return Flash("Nothing changed", kind="info")
    return Flash(f"The policy of {field} is saved", "It holds everywhere within a second.")


def _effect(text: str) -> Effect | None:
    if not text:
        return None
    if text not in set(Effect):
        raise InputDataError(f"{text[:40]!r} is no effect", suggestion="choose visible, masked or hidden")
    return Effect(text)
