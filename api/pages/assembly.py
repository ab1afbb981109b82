"""Puts the pages into the app: their routers, templates, static files and error pages. Called once by `api.app`."""

from __future__ import annotations

from fastapi import FastAPI

from api.pages import (
    account,
    alerts,
    api_tokens,
    audit,
    field_policies,
    imports,
    incident_acts,
    incident_new,
    incident_view,
    incidents,
    keys,
    limits,
    loader_changes,
    loader_diff,
    loader_edit,
    loader_impact,
    loaders,
    logins,
    messages,
    on_call,
    overview,
    runbooks,
    service_levels,
    silence_new,
    silences,
    static_files,
    users,
)
from api.pages.error_pages import install_error_pages
from api.pages.rendering import Pages
from api.routes import ack

ROUTERS = (
    static_files.router,
    account.router,
    overview.router,
    incidents.router,
    incident_new.router,
    incident_view.router,
    incident_acts.router,
    service_levels.router,
    runbooks.router,
    alerts.router,
    silences.router,
    silence_new.router,
    on_call.router,
    messages.router,
    loaders.router,
    loader_diff.router,
    loader_edit.router,
    loader_impact.router,
    loader_changes.router,
    users.router,
    api_tokens.router,
    logins.router,
    imports.router,
    field_policies.router,
    limits.router,
    keys.router,
    audit.router,
    ack.router,
)


def install_pages(app: FastAPI) -> None:
    """After the problem handlers and the API's routers."""
    app.state.pages = Pages()
    install_error_pages(app)
    for router in ROUTERS:
        app.include_router(router)
