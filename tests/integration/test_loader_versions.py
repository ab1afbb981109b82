"""Loader versions on a real database: the lifecycle, secrets, imports, lists, and many writers at once (A5, A6, A7)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine, text

from domain.access.field_protection import MASK
from domain.errors import ConflictError, EtlmonError, InputDataError, NotFoundError, NotPermittedError, StaleEditError
from domain.loaders.definition import LoaderDefinition
from domain.vocabulary import VersionState
from resources.control_plane import ControlPlane
from resources.loaders.records import VersionRecord
from resources.loaders.versions import LoaderVersions
from resources.postgres.engine import make_engine, transaction
from resources.postgres.loaders_repository import LoadersRepository
from tests.fakes.platform import Platform
from tests.fakes.version_worlds import CODE, USERS, DatabaseWorld, LifecycleMachine, World, body

ANN, BOB, CID, VIC = (USERS[name] for name in ("ann", "bob", "cid", "vic"))


@pytest.fixture
def engine(platform: Platform) -> Iterator[Engine]:
    found = make_engine(platform.url, pool_size=25, max_overflow=30)
    yield found
    found.dispose()


@pytest.fixture
def control(platform: Platform, engine: Engine) -> ControlPlane:
    return ControlPlane(platform.settings, platform.url, engine)


@pytest.fixture
def loaders(control: ControlPlane) -> LoaderVersions:
    return control.loaders


def approved(loaders: LoaderVersions, title: str = "t", **changes: object) -> VersionRecord:
    made = loaders.create_draft(body(title, **changes), caller=BOB)
    loaders.submit(made.code, made.version, caller=BOB)
    return loaders.approve(made.code, made.version, caller=CID, content_hash=made.content_hash)


def stored(engine: Engine) -> str:
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT * FROM loader_versions")).all()
        return str([[bytes(one) if isinstance(one, memoryview) else one for one in row] for row in rows])


@pytest.mark.requirement("A6")
def test_random_histories_on_the_real_database(platform: Platform, engine: Engine, loaders: LoaderVersions) -> None:
    class OnTheDatabase(LifecycleMachine):
        def make_world(self) -> World:
            with transaction(engine) as connection:
                connection.execute(text("DELETE FROM loader_versions"))
                connection.execute(text("DELETE FROM loaders"))
            return DatabaseWorld(loaders)

    run_state_machine_as_test(
        OnTheDatabase,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.requirement("A6")
@pytest.mark.requirement("A9")
def test_a_version_goes_its_way_and_leaves_its_traces(control: ControlPlane, engine: Engine) -> None:
    loaders = control.loaders
    first = approved(loaders)
    assert (first.state, first.decision, first.decided_by) == (VersionState.ACTIVE, "APPROVED", "cid")
    draft = loaders.create_draft(body("second"), caller=BOB)
    assert (draft.version, draft.based_on, draft.state) == (2, 1, VersionState.DRAFT)
    edited = loaders.edit(CODE, 2, body("third"), caller=ANN, revision=1)
    assert edited.authors == ("ann", "bob")
    pending = loaders.submit(CODE, 2, caller=BOB, revision=2)
    with pytest.raises(NotPermittedError):
        loaders.approve(CODE, 2, caller=ANN, content_hash=pending.content_hash)
    with pytest.raises(StaleEditError):
        loaders.approve(CODE, 2, caller=CID, content_hash=draft.content_hash)
    active = loaders.approve(CODE, 2, caller=CID, content_hash=pending.content_hash)
    assert [(one.version, one.state) for one in loaders.list_versions(CODE)[0]] == [(2, "ACTIVE"), (1, "ARCHIVED")]
    back = loaders.rollback(CODE, 1, caller=BOB, reason="the new one is slow")
    assert back.archived_at is None
    assert loaders.get(CODE, 2).archived_at is not None
    assert loaders.get(CODE, 2).revision == active.revision + 1
    (running,) = LoadersRepository(engine, control.cipher).list_active()
    assert (running.version, running.definition.title) == (1, "t")
    with transaction(engine) as connection:
        entries = connection.execute(
            text("SELECT actor, action, resource_id FROM audit_entries ORDER BY sequence")
        ).all()
    assert [tuple(one) for one in entries] == [
        ("bob", "loader.create", "DEMO-A.1"), ("bob", "loader.submit", "DEMO-A.1"), ("cid", "loader.approve", "DEMO-A.1"),
        ("bob", "loader.create", "DEMO-A.2"), ("ann", "loader.edit", "DEMO-A.2"), ("bob", "loader.submit", "DEMO-A.2"),
        ("cid", "loader.approve", "DEMO-A.2"), ("bob", "loader.rollback", "DEMO-A.1"),
    ]  # fmt: skip


@pytest.mark.requirement("A6")
def test_refusals_name_what_is_wrong(loaders: LoaderVersions) -> None:
    made = loaders.create_draft(body(), caller=BOB)
    with pytest.raises(ConflictError, match="exists already"):
        loaders.create_draft(body(), caller=BOB, is_new_loader=True)
    with pytest.raises(ConflictError, match="version 1"):
        loaders.create_draft(body(), caller=CID)
    with pytest.raises(NotFoundError):
        loaders.create_draft(body(), caller=CID, based_on=7)
    with pytest.raises(NotPermittedError):
        loaders.create_draft(body(code="DEMO-B"), caller=VIC)
    with pytest.raises(InputDataError, match=r"field prometheus.0.promql: Field required") as caught:
        loaders.edit(CODE, 1, body(prometheus=[{"metric_name": "m"}]), caller=BOB, revision=1)
    assert caught.value.context["field"] == "prometheus.0.promql"
    with pytest.raises(InputDataError, match="belongs to DEMO-A"):
        loaders.edit(CODE, 1, body(code="DEMO-B"), caller=BOB, revision=1)
    for strange in ({}, {"code": 7}, {"code": "ä"}, {"code": "x\0"}, {"code": "x" * 10_000}, {"code": None}):
        with pytest.raises(InputDataError, match=r"code|NUL"):
            loaders.create_draft({**body(), "code": None, **strange}, caller=BOB)
    for strange in ("\0", "\ud800"):
        with pytest.raises(InputDataError):
            loaders.edit(CODE, 1, body(strange), caller=BOB, revision=1)
    assert loaders.get(CODE, 1) == made
    for unknown in (lambda: loaders.get("NO-SUCH", 1), lambda: loaders.list_versions("NO-SUCH")):
        with pytest.raises(NotFoundError):
            unknown()


@pytest.mark.requirement("A5")
def test_no_secret_of_a_connection_is_stored_in_clear(control: ControlPlane, engine: Engine) -> None:
    connection = {
        "url": "http://svc:canary-one@host:9090/x?api_key=canary-two&tenant=blue",
        "headers": {"X-Api-Key": "canary-three"},
    }
    made = control.loaders.create_draft(body(connection=connection), caller=BOB)
    kept = control.loaders.get(CODE, 1).definition.connection
    assert not isinstance(kept, str)
    assert (kept.url, kept.username) == ("http://host:9090/x?api_key=canary-two&tenant=blue", "svc")
    assert kept.password is not None
    assert kept.password.get_secret_value() == "canary-one"
    assert kept.headers == {"X-Api-Key": "canary-three"}
    with transaction(engine) as one:
        audit = str(one.execute(text("SELECT * FROM audit_entries")).all())
    everywhere = stored(engine) + audit + str(made.document["connection"]["url"])
    for canary in ("canary-one", "canary-two", "canary-three"):
        assert canary not in everywhere
    assert "tenant=blue" in everywhere


@pytest.mark.requirement("A4")
def test_masked_values_that_come_back_are_kept_and_never_sent_elsewhere(control: ControlPlane) -> None:
    loaders = control.loaders
    own = {"url": "http://host:9090/x?token=sesame99", "password": "hunter2-secret", "headers": {"X-Key": "open-it"}}
    made = loaders.create_draft(body(connection=own), caller=BOB)
    shown = control.policies.show("loaders", made.document, BOB.role)
    assert shown["connection"]["password"] == shown["connection"]["headers"]["X-Key"] == MASK
    assert shown["connection"]["url"] == f"http://host:9090/x?token={MASK}"
    same = loaders.edit(CODE, 1, shown, caller=BOB, revision=1)
    assert same.content_hash == made.content_hash, "a round trip changes nothing"
    for url in (
        "http://evil:9090/x", "http://host:9091/x", "https://host:9090/x", "http://host:9090/x?host=evil", "http://host:9090/a@evil",
    ):  # fmt: skip
        with pytest.raises(InputDataError, match="another host"):
            loaders.edit(CODE, 1, {**shown, "connection": {**shown["connection"], "url": url}}, caller=BOB, revision=2)
    without = {name: value for name, value in shown["connection"].items() if name not in {"password", "headers"}}
    with pytest.raises(InputDataError, match="another host"):
        loaders.edit(CODE, 1, {**shown, "connection": {**without, "url": "http://evil"}}, caller=BOB, revision=2)
    kept = loaders.edit(CODE, 1, {**shown, "connection": without}, caller=BOB, revision=2)
    assert kept.content_hash == made.content_hash, "what is left out because it was hidden stays"
    cleared = {**shown["connection"], "password": None, "headers": {}}
    third = loaders.edit(CODE, 1, {**shown, "connection": cleared}, caller=BOB, revision=3)
    assert third.document["connection"]["password"] is None
    with pytest.raises(InputDataError, match="type the value"):
        loaders.edit(CODE, 1, shown, caller=BOB, revision=4)


def race(work: list[Callable[[], object]]) -> list[object]:
    """All at once; what each answered or which of our errors it met. Anything else fails the test."""
    gate = threading.Barrier(len(work))

    def run(one: Callable[[], object]) -> object:
        gate.wait(30)
        try:
            return one()
        except EtlmonError as error:
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def winners(found: list[object]) -> list[VersionRecord]:
    lost = [one for one in found if not isinstance(one, VersionRecord)]
    assert all(isinstance(one, ConflictError | StaleEditError) for one in lost), Counter(map(str, lost))
    return [one for one in found if isinstance(one, VersionRecord)]


@pytest.mark.requirement("A6")
@pytest.mark.requirement("A7")
def test_fifty_writers_at_once_have_one_winner(loaders: LoaderVersions, engine: Engine) -> None:
    drafts = winners(race([lambda n=n: loaders.create_draft(body(f"t{n}"), caller=BOB) for n in range(50)]))
    assert len(drafts) == 1
    edits = winners(race([lambda n=n: loaders.edit(CODE, 1, body(f"e{n}"), caller=BOB, revision=1) for n in range(50)]))
    assert len(edits) == 1
    assert len(winners(race([lambda: loaders.submit(CODE, 1, caller=BOB) for _ in range(50)]))) == 1
    content = edits[0].content_hash
    assert (
        len(winners(race([lambda: loaders.approve(CODE, 1, caller=CID, content_hash=content) for _ in range(50)]))) == 1
    )
    second = approved(loaders, "second")
    assert len(winners(race([lambda: loaders.rollback(CODE, 1, caller=BOB) for _ in range(50)]))) == 1
    third = loaders.create_draft(body("third"), caller=BOB)
    loaders.submit(CODE, third.version, caller=BOB)
    mixed = race([
        *(lambda: loaders.approve(CODE, third.version, caller=CID, content_hash=third.content_hash) for _ in range(25)),
        *(lambda: loaders.rollback(CODE, second.version, caller=BOB) for _ in range(25)),
    ])  # fmt: skip
    assert 1 <= len(winners(mixed)) <= 3
    states = Counter(one.state for one in loaders.list_facts(CODE))
    assert states[VersionState.ACTIVE] == 1
    assert states[VersionState.DRAFT] + states[VersionState.PENDING] == 0


@pytest.mark.requirement("A8")
def test_many_definitions_at_once_tell_row_by_row_what_became_of_them(loaders: LoaderVersions, engine: Engine) -> None:
    approved(loaders)
    loaders.create_draft(body(code="DEMO-B"), caller=BOB)
    rows = [
        body(), body("new title"), body(code="DEMO-B"), body("edited", code="DEMO-B"), body(code="DEMO-C"),
        body(code="DEMO-D", step_s=-1), {"no": "code"},
    ]  # fmt: skip
    with transaction(engine) as connection:
        given = [rows[0], rows[2], *rows[4:]]
        found = loaders.put_many(given, caller=CID, target=VersionState.DRAFT, connection=connection)
    assert [(one.code, one.action, one.version) for one in found] == [
        ("DEMO-A", "unchanged", 1), ("DEMO-B", "unchanged", 1), ("DEMO-C", "created", 1),
        ("DEMO-D", "refused", None), ("", "refused", None),
    ]  # fmt: skip
    assert found[3].error is not None
    assert found[3].error.context["field"] == "step_s"
    with transaction(engine) as connection:
        found = loaders.put_many(
            [rows[1], rows[3], rows[3]], caller=CID, target=VersionState.PENDING, connection=connection
        )
    assert [(one.code, one.action, one.version) for one in found] == [
        ("DEMO-A", "created", 2), ("DEMO-B", "edited", 1), ("DEMO-B", "refused", None),
    ]  # fmt: skip
    with transaction(engine) as connection:
        again = loaders.put_many([rows[1]], caller=CID, target=VersionState.PENDING, connection=connection)
    assert [one.action for one in again] == ["unchanged"]
    waiting = loaders.get("DEMO-B", 1)
    assert (waiting.state, waiting.authors, waiting.submitted_by) == (VersionState.PENDING, ("bob", "cid"), "cid")
    loaders.approve(CODE, 2, caller=BOB, content_hash=loaders.get(CODE, 2).content_hash)
    assert [one["code"] for one in loaders.list_loaders().items] == ["DEMO-A", "DEMO-B", "DEMO-C"], (
        "nothing is left of refusals"
    )


@pytest.mark.requirement("A8")
def test_ten_thousand_definitions_take_seconds(loaders: LoaderVersions, engine: Engine) -> None:
    rows = [body(f"loader {n}", code=f"BULK-{n}") for n in range(10_000)]
    began = time.process_time()
    with transaction(engine) as connection:
        found = loaders.put_many(rows, caller=BOB, target=VersionState.PENDING, connection=connection)
    took = time.process_time() - began  # its own work: how busy the machine is does not count
    assert Counter(one.action for one in found) == {"created": 10_000}
    assert loaders.get("BULK-9999", 1).definition == LoaderDefinition.model_validate(rows[-1])
    assert took < 15


@pytest.mark.requirement("A6")
def test_the_list_says_where_each_loader_stands(loaders: LoaderVersions) -> None:
    approved(loaders, "zeta")
    loaders.create_draft(body("changed"), caller=BOB)
    approved(loaders, "alpha", code="DEMO-B", owner="etl")
    pending = loaders.create_draft(body("beta", code="DEMO-C"), caller=BOB)
    loaders.submit("DEMO-C", pending.version, caller=BOB)
    gone = loaders.create_draft(body("gone", code="DEMO-D"), caller=BOB)
    loaders.discard("DEMO-D", gone.version, caller=BOB)

    def codes(**filters: object) -> list[str]:
        page = loaders.list_loaders(**filters)  # type: ignore[arg-type]
        assert page.total >= len(page.items)
        return [one["code"][-1] for one in page.items]

    assert codes() == ["A", "B", "C", "D"]
    first = loaders.list_loaders(limit=1).items[0]
    assert (first["title"], first["state"], first["active_version"], first["draft_version"]) == ("zeta", "ACTIVE", 1, 2)
    assert (first["versions"], first["pending_versions"]) == (2, [])
    assert codes(sort="-title") == ["A", "D", "C", "B"]
    assert codes(state=VersionState.DRAFT) == ["A"]
    assert codes(state=VersionState.ARCHIVED) == ["D"]
    assert codes(has_pending=True) == ["C"]
    assert codes(has_pending=False) == ["A", "B", "D"]
    assert codes(search="ALPH") == codes(owner="etl") == ["B"]
    assert codes(search="%") == []
    assert codes(source="sql") == []
    assert codes(limit=2, offset=3) == ["D"]
    assert (loaders.list_loaders(offset=50).total, codes(offset=50)) == (4, [])
    with pytest.raises(InputDataError):
        codes(sort="definition")
