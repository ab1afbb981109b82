"""Incidents and what is around them in Chromium: what somebody sees who was woken at night, and what he can do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from resources.postgres.engine import transaction
from tests.fakes.api_server import ApiServer, serving
from tests.fakes.browser import chromium, open_reader
from tests.fakes.incident_data import METRIC, TITLE, engine_of, fill_incidents
from tests.fakes.page_data import make_people
from tests.fakes.page_walk import HOSTILE, list_faults
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.needs("chromium")]
expect.set_options(timeout=60_000)
LONG = f"{HOSTILE} {'verylongword' * 20}"
PATHS = (
    "/", "/incidents", "/incidents?state=&q=of", "/incidents/INC-1", "/incidents/INC-1?timeline=all&stretch=week", "/incidents/INC-2",
    "/incidents/new", *(f"/incidents/INC-1/{action}" for action in ("snooze", "assign", "set-severity", "merge", "split")), "/sla",
    "/alerts",
    "/alerts/2", "/alerts/precision", "/silences", "/silences/new", "/silences/new/window", "/silences/new/noise",
    "/silences/1/end", "/on-call", "/messages", "/messages/1", "/messages/1/replay", "/runbooks/api-latency-p99",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def empty_site(platform: Platform) -> Iterator[ApiServer]:
    make_people(platform)
    with serving(platform, rate_limit_per_minute=100_000) as server:
        yield server


@pytest.mark.requirement("E2")
def test_two_hundred_incidents_long_and_hostile_texts_in_both_themes(empty_site: ApiServer, browser: Browser) -> None:
    fill_incidents(empty_site.platform, hostile=LONG)
    with engine_of(empty_site.platform) as engine, transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO incidents (title, severity, category, service, state, onset_at, opened_at, last_alert_at)"
                " SELECT :title || n, 'LOW', 'platform', :title, 'OPEN', now(), now(), now() FROM generate_series(1, 200) AS n"
            ),
            {"title": LONG},
        )
        connection.execute(
            text(
                "INSERT INTO incident_events (incident_id, at, actor, kind, cause, detail) SELECT 1, now(), 'olaf', 'comment', 'api',"
                " jsonb_build_object('reason', :words || n) FROM generate_series(1, 500) AS n"
            ),
            {"words": LONG},
        )
    state = open_reader(browser, empty_site.url).log_in("ada").context.storage_state()
    assert list_faults(browser, empty_site.url, PATHS, state=state, looks=[("light", 380)]) == []
    assert list_faults(browser, empty_site.url, PATHS[1:6:2], state=state, looks=[("dark", 1280)]) == []
    page = open_reader(browser, empty_site.url, storage_state=state).go("/incidents")
    expect(page.locator("tbody tr").first).to_contain_text(TITLE)
    assert page.locator("tbody tr").count() == 100
    page.goto(f"{empty_site.url}/incidents/INC-1")
    assert page.locator(".timeline > li").count() == 100
    page.get_by_role("link", name="All 503 entries").click()
    expect(page.locator(".timeline > li")).to_have_count(503)


@pytest.mark.requirement("E1")
@pytest.mark.requirement("E2")
def test_whoever_is_woken_sees_what_broke_and_takes_it(empty_site: ApiServer, browser: Browser) -> None:
    fill_incidents(empty_site.platform)
    reader = open_reader(browser, empty_site.url, timezone_id="Asia/Tokyo")
    page = reader.log_in("olaf")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/incidents")
    expect(page.locator("tbody tr").first).to_contain_text("Nobody")
    page.get_by_role("link", name=TITLE).click()
    see_the_signal(page)
    watcher = open_reader(browser, empty_site.url, storage_state=page.context.storage_state())
    watcher.page.clock.install()
    watcher.go("/incidents?severity=CRITICAL")
    expect(watcher.page.locator("tbody tr")).to_contain_text("Nobody")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".headline")).to_contain_text("olaf")
    watcher.page.clock.fast_forward(21_000)
    expect(watcher.page.locator("tbody tr")).to_contain_text("olaf")
    assert watcher.page.url.endswith("?severity=CRITICAL")
    expect(page.locator(".headline")).not_to_contain_text("until others are told")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    ask(page, "Snooze", lambda question: question.get_by_label("For", exact=True).select_option("7200"))
    expect(page.locator(".headline")).to_contain_text("snoozed until")
    page.get_by_role("button", name="Wake").click()
    ask(page, "Severity", lambda question: question.get_by_label("Severity").select_option("HIGH"))
    expect(page.locator(".headline")).to_contain_text("High")
    ask(page, "Assign", lambda question: question.get_by_label("To").select_option("ann"))
    expect(page.locator(".headline")).to_contain_text("ann")
    page.get_by_label("Comment").fill("the replica <b>hangs</b>")
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator("blockquote").first).to_have_text("the replica <b>hangs</b>")
    ask(page, "Split", lambda question: question.get_by_label("Loads of loader are slow").check())
    expect(page.get_by_role("status").first).to_contain_text("INC-5 is an incident of its own")
    page.goto(f"{empty_site.url}/incidents/INC-5")
    ask(page, "Merge", lambda question: question.get_by_label("Into").fill("inc-1"))
    expect(page.locator("main")).to_contain_text("Merged into INC-1")
    expect(page.get_by_role("group", name="What to do").get_by_role("link")).to_have_count(0)
    page.goto(f"{empty_site.url}/incidents/INC-1")
    ask(page, "Merge", lambda question: question.get_by_label("Into").fill("INC-999"))
    expect(page.locator(".flash.bad")).to_contain_text("INC-999")
    ask(page, "Resolve", lambda question: question.get_by_label("Why").fill("restarted the replica"))
    expect(page.locator(".headline")).to_contain_text("Resolved")
    assert reader.faults == watcher.faults == []
    page.goto(f"{empty_site.url}/incidents")
    page.get_by_role("link", name="New incident").click()
    question = page.locator("[data-question]")
    question.get_by_label("What is broken").fill("The export of billing hangs")
    question.get_by_role("button", name="Open incident").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The export of billing hangs")
    expect(page.locator("main")).to_contain_text("None: a person opened it.")
    page.goto(f"{empty_site.url}/sla")
    expect(
        page.get_by_role("region", name="Missed by most").or_(page.locator("section", has_text="Missed by most"))
    ).to_be_visible()
    for code, number in (("INC-999", 404), ("0", 404), ("-1", 422), ("x", 422), ("9" * 20, 422)):
        assert page.goto(f"{empty_site.url}/incidents/{code}").status == number


def see_the_signal(page: Page) -> None:
    """The graph says what broke and when, in the reader's zone, with UTC on hover; other series are said to be missing."""
    graph = page.locator("svg.graph")
    expect(graph).to_contain_text("broke here")
    expect(page.locator("#signal")).to_contain_text(METRIC)
    expect(page.locator("#signal")).to_contain_text("limit 90")
    expect(page.locator("#signal")).to_contain_text("Asia/Tokyo")
    for name in ("line", "band", "threshold"):
        expect(graph.locator(f".{name}")).to_have_count(1)
    when = page.locator(".headline time").first
    assert when.get_attribute("title").endswith(" UTC")
    assert when.inner_text() != when.get_attribute("title")
    address = page.url
    page.goto(address.replace("INC-1", "INC-2"))
    expect(page.locator("#signal")).to_contain_text("has no sample of this series")
    page.goto(address.replace("INC-1", "INC-3"))
    expect(page.locator("#signal")).to_contain_text("None of its alerts stands on a single series")
    page.goto(address)


def ask(page: Page, name: str, fill: object) -> None:
    """Open the question, a dialog or a page, whichever is faster; fill it in, confirm."""
    page.get_by_role("group", name="What to do").get_by_role("link", name=name, exact=True).click()
    question = page.locator("[data-question]")
    fill(question)  # type: ignore[operator]
    question.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".flash").first).to_be_visible()


@pytest.mark.requirement("D7")
@pytest.mark.requirement("H6")
def test_holding_back_and_standing_in_without_a_script_and_nothing_for_a_viewer(
    empty_site: ApiServer, browser: Browser
) -> None:
    fill_incidents(empty_site.platform)
    reader = open_reader(browser, empty_site.url, java_script_enabled=False)
    reader.log_in("olga")
    page = reader.go("/alerts/1")
    page.get_by_role("button", name="It was right").click()
    expect(page.locator("main")).to_contain_text("olga, just now")
    page.get_by_role("link", name="Silence this").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("1 alert fires now")
    expect(page.locator("#preview")).to_contain_text(TITLE)
    page.get_by_role("button", name="Set silence").click()
    expect(page.get_by_role("alert")).to_contain_text("a reason")
    expect(page.get_by_label("What is meant")).to_have_value(re.compile("connection-pool-exhausted"))
    page.get_by_label("Why").fill("replica is being rebuilt")
    page.get_by_label("Or until (UTC)").fill("2020-01-01T00:00")
    page.get_by_role("button", name="Set silence").click()
    expect(page.get_by_role("alert")).to_contain_text("makes no sense")
    page.get_by_label("Or until (UTC)").fill("")
    page.get_by_role("button", name="Set silence").click()
    expect(page.locator(".flash")).to_contain_text("It mutes 1 alerts that fire now")
    page.get_by_role("link", name="End silence 2").click()
    page.get_by_role("button", name="End it").click()
    expect(page.locator(".flash")).to_contain_text("Silence 2 is over")
    page.get_by_role("link", name="Remove disk-rule").click()
    page.get_by_role("button", name="End it").click()
    expect(page.locator("main")).to_contain_text("Nothing is on the allow-list")
    page = reader.go("/on-call")
    expect(page.get_by_role("alert")).to_contain_text("Nobody would be told")
    page.get_by_label("Person").select_option("mia")
    page.get_by_label("Until (UTC)").fill("2099-01-01T06:00")
    page.get_by_role("button", name="Add override").click()
    expect(page.locator(".who-now").first).to_contain_text("Mia Moreau")
    page.get_by_role("link", name="End the override of mia").click()
    page.get_by_role("button", name="End override").click()
    expect(page.locator(".who-now").first).not_to_contain_text("Mia Moreau")
    page = reader.go("/messages?state=DEAD")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Send again message 1").click()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("main")).to_contain_text("No message matches")
    assert [one for one in reader.faults if "422" not in one] == []
    viewer = open_reader(browser, empty_site.url)
    viewer.log_in("vera")
    for path in ("/incidents", "/incidents/INC-1", "/alerts/1", "/silences", "/on-call", "/messages"):
        page = viewer.go(path)
        assert page.locator("main form[method=post], main a[data-dialog]").count() == 0, path
    null = empty_site.client.post("/login", data={"username": "a\x00b"}, headers={"Accept": "text/html"})
    assert null.status_code == 422
    assert viewer.go("/incidents/INC-1/resolve").locator("main").inner_text().count("You may not do this") == 1
