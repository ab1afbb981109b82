"""The simulated Jira against the official client library, and against what Atlassian's reference says of refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from jira import JIRA
from jira.exceptions import JIRAError

from domain.tickets.document import document, paragraph, plain_text, words
from resources.simulator.jira import SIMULATED_JIRA_TOKEN
from tests.fakes.receiving import Providers, providers

pytestmark = pytest.mark.requirement("H1")


@pytest.fixture(scope="module")
def running() -> Iterator[Providers]:
    with providers() as found:
        yield found


def client(running: Providers, token: str = SIMULATED_JIRA_TOKEN) -> JIRA:
    return JIRA(
        f"{running.url}/receivers/jira",
        basic_auth=("ann@example.com", token),
        options={"rest_api_version": "3"},
        max_retries=0,
        timeout=30,
    )


def test_the_official_client_finds_its_way(running: Providers) -> None:
    ann = client(running)
    assert ann._is_cloud
    fields = {
        "project": {"key": "ETLOPS"},
        "issuetype": {"name": "Incident"},
        "summary": "Pool empty",
        "description": document([paragraph(words("since noon"))]),
        "labels": ["etlmon", "etlmon-INC-1"],
        "priority": {"name": "High"},
    }
    issue = ann.create_issue(fields=fields)
    assert (issue.key, issue.fields.status.name, issue.fields.priority.name) == ("ETLOPS-1", "To Do", "High")
    comment = ann.add_comment(issue.key, document([paragraph(words("looking"))]))  # type: ignore[arg-type]
    assert plain_text(ann.comment(issue.key, comment.id).raw["body"]) == "looking"
    ann.transition_issue(issue, "In Progress")
    issue.update(fields={"priority": {"name": "Highest"}})
    assert issue.fields.priority.name == "Highest"
    ann.assign_issue(issue.key, None)
    (found,) = ann.enhanced_search_issues('labels = "etlmon-INC-1" AND updated >= "-5m"')
    assert (found.key, found.fields.status.name, found.fields.assignee) == ("ETLOPS-1", "In Progress", None)
    permissions = ann.my_permissions(projectKey="ETLOPS", permissions="CREATE_ISSUES")
    assert permissions["permissions"]["CREATE_ISSUES"]["havePermission"] is True
    assert ann.myself()["displayName"] == "Ann"
    assert {one["name"] for one in ann.transitions(issue)} == {"To Do", "Done"}


def test_refusals_have_the_documented_shape(running: Providers) -> None:
    ann = client(running)
    good = {"project": {"key": "ETLOPS"}, "issuetype": {"name": "Incident"}, "summary": "x"}
    for change, field in [
        ({"description": "a plain string"}, "description"),
        ({"labels": ["two words"]}, "labels"),
        ({"customfield_99999": "x"}, "customfield_99999"),
        ({"summary": ""}, "summary"),
        ({"priority": {"name": "Whatever"}}, "priority"),
        ({"project": {"key": "NOPE"}}, "project"),
    ]:
        with pytest.raises(JIRAError) as caught:
            ann.create_issue(fields={**good, **change})
        assert caught.value.status_code == 400
        assert list(json.loads(caught.value.response.text)["errors"]) == [field]
    for call, status in [
        (lambda: ann.issue("ETLOPS-999"), 404),
        (lambda: ann.enhanced_search_issues("this is no query"), 400),
        (lambda: client(running, "wrong").myself(), 401),
    ]:
        with pytest.raises(JIRAError) as caught:
            call()
        assert caught.value.status_code == status
