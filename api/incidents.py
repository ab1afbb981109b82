"""What routes and pages of incidents have in common: how an incident is named in a path, and its ETag."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Path

from api.wire import find_revision
from domain.incidents.view import WRITTEN_INCIDENT, incident_code, parse_incident


def _incident_id(
    incident_id: Annotated[str, Path(pattern=WRITTEN_INCIDENT, description="INC-12, or its number")],
) -> int:
    return parse_incident(incident_id)


#: The path parameter `{incident_id}` as a number.
IncidentId = Annotated[int, Depends(_incident_id)]


def etag_of(incident_id: int, revision: int) -> str:
    """`"INC-12.7"`: changes with every change of the incident."""
    return f'"{incident_code(incident_id)}.{revision}"'


def _revision(
    incident_id: IncidentId,
    if_match: Annotated[
        str | None,
        Header(
            max_length=400,
            description='ETag of the incident as read, `"INC-12.revision"`; without it, however it stands',
        ),
    ] = None,
) -> int | None:
    return find_revision(if_match, incident_code(incident_id))


#: The revision that If-Match names; None without that header.
SeenRevision = Annotated[int | None, Depends(_revision)]
