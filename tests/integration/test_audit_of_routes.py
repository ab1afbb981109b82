"""Every route that is not a GET, and the entry it leaves in the audit, or why it leaves none (A9)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from domain.incidents.lifecycle import Action as IncidentAction
from domain.loaders.lifecycle import Action as LoaderAction
from tests.fakes.routes import list_routes

pytestmark = pytest.mark.requirement("A9")
ROOT = Path(__file__).parents[2]
API, VERSION, SHOWN = "/api/v1", "/api/v1/loaders/{code}/versions/{version}", "/loaders/{code}/versions/{version}"

#: Route → the actions that it records, joined by blanks.
RECORDED = {
    f"POST {API}/loaders/import": "workbook.import loader.import",
    "POST /import/preview/{name}": "workbook.import loader.import",
    f"POST {API}/auth/password": "user.change-password",
    "POST /account/password": "user.change-password",
    f"DELETE {API}/auth/sessions/{{session_id}}": "session.end",
    "POST /account/sessions/{session_id}/end": "session.end",
    f"POST {API}/users": "user.create",
    "POST /add-user": "user.create",
    f"PATCH {API}/users/{{username}}": "user.change",
    f"DELETE {API}/users/{{username}}": "user.change",
    "POST /users/{username}/role": "user.change",
    f"POST {API}/users/{{username}}/unlock": "user.unlock",
    f"POST {API}/users/{{username}}/reset-password": "user.reset-password",
    f"POST {API}/users/{{username}}/end-sessions": "user.end-sessions",
    "POST /users/{username}/{act}": "user.change user.unlock user.reset-password user.end-sessions",
    f"POST {API}/api-tokens": "api-token.create",
    "POST /tokens/new": "api-token.create",
    f"DELETE {API}/api-tokens/{{token_id}}": "api-token.revoke",
    "POST /tokens/{token_id}/revoke": "api-token.revoke",
    f"PUT {API}/rate-limits": "rate-limit.save",
    "POST /limits": "rate-limit.save",
    f"DELETE {API}/rate-limits": "rate-limit.remove",
    "POST /limits/remove": "rate-limit.remove",
    f"PUT {API}/field-policies": "field-policy.set",
    f"DELETE {API}/field-policies": "field-policy.delete",
    "POST /policies": "field-policy.set field-policy.delete",
    f"POST {API}/keys/rotate": "keys.rotate keys.reencrypted",
    f"POST {API}/keys/prune": "keys.prune",
    f"POST {API}/keys/signing/rotate": "keys.rotate-signing",
    "POST /keys/{act}": "keys.rotate keys.reencrypted keys.prune keys.rotate-signing",
    f"POST {API}/loaders": "loader.create",
    "POST /new-loader": "loader.create",
    f"POST {API}/loaders/{{code}}/drafts": "loader.create",
    "POST /loaders/{code}/draft": "loader.create",
    f"PUT {VERSION}": "loader.edit",
    f"POST {SHOWN}/edit": "loader.edit",
    **{
        f"POST {where}/{one}": f"loader.{one}"
        for where in (VERSION, SHOWN)
        for one in LoaderAction
        if one is not LoaderAction.EDIT
    },
    f"POST {API}/loaders/{{code}}/capture": "loader.capture",
    f"POST {API}/breakers/{{breaker_id}}/reset": "breaker.reset",
    "POST /breakers/{breaker_id}/reset": "breaker.reset",
    f"POST {API}/messages/{{message_id}}/replay": "message.replay",
    "POST /messages/{message_id}/replay": "message.replay",
    f"POST {API}/messages/test": "message.test",
    "POST /messages/test": "message.test",
    f"POST {API}/on-call/overrides": "on-call.override",
    "POST /on-call/overrides": "on-call.override",
    f"DELETE {API}/on-call/overrides/{{override_id}}": "on-call.override-removed",
    "POST /on-call/overrides/{override_id}/end": "on-call.override-removed",
    f"POST {API}/incidents": "incident.open",
    "POST /incidents/new": "incident.open",
    f"POST {API}/incidents/{{incident_id}}/split": "incident.split",
    f"POST {API}/incidents/{{incident_id}}/actions": " ".join(f"incident.{one}" for one in IncidentAction),
    "POST /incidents/{code}/{action}": " ".join(f"incident.{one}" for one in IncidentAction) + " incident.split",
    f"PUT {API}/alerts/{{alert_id}}/verdict": "alert.verdict",
    "POST /alerts/{alert_id}/verdict": "alert.verdict",
    f"POST {API}/silences": "silence.add",
    f"DELETE {API}/silences/{{silence_id:int}}": "silence.end",
    "POST /silences/{silence_id:int}/end": "silence.end",
    "POST /silences/new/{kind}": "silence.add maintenance.add allow-list.add",
    f"PUT {API}/silences/allow-list": "allow-list.add",
    f"DELETE {API}/silences/allow-list": "allow-list.remove",
    "POST /silences/allow-list/remove": "allow-list.remove",
    f"POST {API}/maintenance-windows": "maintenance.add",
    f"DELETE {API}/maintenance-windows/{{window_id:int}}": "maintenance.end",
    "POST /silences/windows/{window_id:int}/end": "maintenance.end",
    f"POST {API}/drills": "drill.start",
    f"POST {API}/drills/{{drill_id:int}}/stop": "drill.stop",
}

_LOGINS = "the login audit has it, with address and outcome"
_TIMELINE = "the incident's append-only timeline has it, with who answered and by what way"
_READS = "changes nothing"
_DELIVERIES = "a delivery report: the message itself has its outcome"
#: Route → why the audit has no entry of it.
UNRECORDED = {
    f"POST {API}/auth/login": _LOGINS,
    "POST /login": _LOGINS,
    f"POST {API}/auth/refresh": _LOGINS,
    f"POST {API}/auth/logout": _LOGINS,
    "POST /logout": _LOGINS,
    f"POST {API}/audit/verify": _READS,
    "POST /audit/verify": _READS,
    f"POST {VERSION}/preview": _READS,
    f"POST {SHOWN}/impact": _READS,
    f"POST {API}/silences/preview": _READS,
    "POST /import": "a preview of the upload: nothing of the platform changes before it is applied",
    "POST /theme": "a cookie of the browser",
    "POST /help/shortcuts": "a cookie of the browser",
    f"POST {API}/signals": "data, not a change: each batch has its receipt, and the lake's ledger what became of it",
    f"POST {API}/webhooks/alertmanager": "data, not a change: the alerts themselves say where they came from",
    f"POST {API}/webhooks/jira": "a hint to read the ticket again; what it changes is in the incident's timeline",
    f"POST {API}/webhooks/slack/interactive": _TIMELINE,
    f"POST {API}/webhooks/twilio/sms": _TIMELINE,
    f"POST {API}/webhooks/twilio/voice/{{message_id}}": _TIMELINE,
    f"POST {API}/webhooks/twilio/voice/{{message_id}}/key": _TIMELINE,
    f"POST {API}/webhooks/twilio/voice/{{message_id}}/status": _DELIVERIES,
    f"POST {API}/webhooks/twilio/sms/{{message_id}}/status": _DELIVERIES,
    "POST /ack/{token}": _TIMELINE,
}


def test_every_route_that_changes_something_says_what_it_leaves_in_the_audit() -> None:
    walked = {
        f"{method} {route.path}"
        for route in list_routes()
        if isinstance(route, APIRoute)
        for method in route.methods - {"GET", "HEAD"}
    }
    assert walked - RECORDED.keys() - UNRECORDED.keys() == set(), "say what the audit has of it, or why nothing"
    assert (RECORDED.keys() | UNRECORDED.keys()) - walked == set(), "no such route any more"
    assert RECORDED.keys() & UNRECORDED.keys() == set()


def test_every_action_of_the_table_is_written_by_the_platform() -> None:
    sources = [path.read_text() for folder in ("api", "resources") for path in (ROOT / folder).rglob("*.py")]
    written = {found for source in sources for found in re.findall(r'"([a-z-]+\.[a-z-]+)"', source)}
    written |= {f"loader.{one}" for one in LoaderAction} | {f"incident.{one}" for one in IncidentAction}
    written |= {"incident.open", "incident.split"}
    stated = {action for actions in RECORDED.values() for action in actions.split()}
    assert stated - written == set()
