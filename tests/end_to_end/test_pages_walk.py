"""Every page, in both themes and on a small screen: nothing fails, nothing overflows, nothing is nameless; the keyboard reaches it all."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from domain.loaders.lifecycle import Action
from resources.control_plane import ControlPlane, open_control_plane
from tests.fakes.api_server import ApiServer, serving
from tests.fakes.browser import PASSWORD, Reader, chromium, open_reader
from tests.fakes.page_data import caller, make_active, make_people, orders
from tests.fakes.page_walk import HOSTILE, list_faults
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.needs("chromium")]
expect.set_options(timeout=60_000)
PATHS = (
    "/", "/loaders", "/loaders?q=nothing", "/loaders/ORDERS-DB", "/loaders/ORDERS-DB/versions/2", "/loaders/ORDERS-DB/versions/3",
    "/loaders/ORDERS-DB/versions/3/edit", "/loaders/ORDERS-DB/versions/3/impact", "/loaders/ORDERS-DB/diff?old=1&new=3",
    *(f"/loaders/ORDERS-DB/versions/3/{action}" for action in (Action.SUBMIT, Action.DISCARD)),
    "/new-loader", "/new-loader?source=sql", "/import", "/breakers", "/users", "/users/olaf", "/users/olaf/reset", "/add-user", "/roles",
    "/tokens", "/tokens/new", "/policies", "/limits", "/keys", "/keys/rotate", "/audit", "/audit/5", "/logins", "/account",
    "/account/password", "/help/shortcuts",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def site(platform: Platform) -> Iterator[ApiServer]:
    make_people(platform)
    with open_control_plane(platform.settings, platform.url) as control:
        fill(control)
    with serving(platform, rate_limit_per_minute=100_000) as server:
        yield server


def fill(control: ControlPlane) -> None:
    """Something on every page, written by somebody who means harm."""
    make_active(control, orders())
    loaders = control.loaders
    loaders.create_draft(orders(title=HOSTILE), caller=caller("olaf"))
    loaders.submit("ORDERS-DB", 2, caller=caller("olaf"))
    loaders.reject("ORDERS-DB", 2, caller=caller("olga"), reason=HOSTILE)
    query = [{"metric_name": "orders_total", "title": HOSTILE, "sql": f"SELECT 1 AS value -- {HOSTILE}\nFROM t"}]
    loaders.create_draft(orders(description=HOSTILE, owner=HOSTILE, sql=query), caller=caller("olaf"))
    with control.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO login_audit (at, username, ip, user_agent, method, outcome, correlation_id)"
                " VALUES (now(), :h, :h, :h, 'password', 'unknown-user', '')"
            ),
            {"h": HOSTILE},
        )
        connection.execute(
            text(
                "INSERT INTO circuit_breakers (name, state, opened_at, times_opened, last_error, updated_at)"
                " VALUES (:h, 'OPEN', now(), 3, :h, now())"
            ),
            {"h": HOSTILE},
        )


def test_every_page_in_both_themes_and_on_a_small_screen(site: ApiServer, browser: Browser) -> None:
    first = open_reader(browser, site.url)
    state = first.log_in("ada").context.storage_state()
    looks = (("light", 1280), ("dark", 1280), ("light", 380))
    assert list_faults(browser, site.url, PATHS, state=state, looks=looks) == []


def test_the_theme_is_remembered_without_a_flash(site: ApiServer, browser: Browser) -> None:
    for is_scripted in (True, False):
        reader = open_reader(browser, site.url, color_scheme="light", java_script_enabled=is_scripted)
        page = reader.log_in("vera")
        page.get_by_role("button", name="Menu of vera").click()
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto(f"{site.url}/loaders")
        answer = page.request.get(f"{site.url}/loaders", headers={"Accept": "text/html"})
        assert '<html lang="en" data-theme="dark">' in answer.text()
        assert reader.faults == []


def test_a_journey_by_keyboard_alone(site: ApiServer, browser: Browser) -> None:
    reader = open_reader(browser, site.url)
    page = reader.go("/login")
    page.keyboard.type("olaf")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search loaders")).to_be_focused()
    page.keyboard.type("orders")
    page.keyboard.press("Enter")
    page.wait_for_url("**/loaders?q=orders")
    tab_to(page, "ORDERS-DB")
    page.keyboard.press("Enter")
    page.wait_for_url("**/loaders/ORDERS-DB")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{site.url}/loaders/ORDERS-DB/versions/3")
    tab_to(page, "Discard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Its content stays readable")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Discard")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url(f"{site.url}/")
    assert reader.faults == []


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the link or button of that name has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


def test_errors_are_pages_for_people_and_documents_for_machines(site: ApiServer, browser: Browser) -> None:
    reader: Reader = open_reader(browser, site.url)
    reader.go("/loaders?state=ACTIVE")
    assert reader.page.url == f"{site.url}/login?next=%2Floaders%3Fstate%3DACTIVE"
    reader.page.get_by_label("User name").fill("olga")
    reader.page.get_by_label("Password").fill(PASSWORD)
    reader.page.get_by_role("button", name="Log in").click()
    reader.page.wait_for_url("**/loaders?state=ACTIVE")
    for path, title in (
        ("/nowhere", "Nothing here"),
        ("/loaders/NOT-THERE", "Nothing here"),
        ("/users", "You may not do this"),
    ):
        page = reader.go(path)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert re.fullmatch(r"[0-9a-f]{32}", page.locator("dd.mono").inner_text())
    assert site.client.get("/loaders").headers["content-type"] == "application/problem+json"
    assert site.client.get("/api/v1/loaders", headers={"Accept": "text/html"}).status_code == 401
    elsewhere = open_reader(browser, site.url).go("/login?next=//evil.example/x")
    assert elsewhere.locator("input[name=next]").get_attribute("value") == "/"


def test_a_form_of_another_site_or_session_is_refused(site: ApiServer) -> None:
    people = {"Accept": "text/html"}
    site.client.post("/login", data={"username": "olaf", "password": PASSWORD})
    assert site.client.post("/logout", data={"csrf_token": "0" * 64}, headers=people).status_code == 403
    foreign = people | {"Origin": "https://evil.example"}
    assert (
        site.client.post("/login", data={"username": "olaf", "password": PASSWORD}, headers=foreign).status_code == 403
    )
    assert site.client.get("/", headers=people).status_code == 200, "still logged in"


def test_static_files_are_kept_for_ever_and_small_pages_are_fast(site: ApiServer) -> None:
    page = site.client.get("/login", headers={"Accept": "text/html"}).text
    styles = re.findall(r'href="(/static/[^"]+\.css)"', page)
    assert styles
    for address in styles:
        answer = site.client.get(address)
        assert "immutable" in answer.headers["cache-control"]
        assert site.client.get(address, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert site.client.get("/static/0000/tokens.css").headers["cache-control"] == "no-cache"
    with open_control_plane(site.platform.settings, site.platform.url) as control:
        for number in range(100):
            control.loaders.create_draft(orders(code=f"LOADER-{number}"), caller=caller("olaf"))
    site.client.post("/login", data={"username": "olaf", "password": PASSWORD})
    taken = []
    for _ in range(6):
        began = time.perf_counter()
        answer = site.client.get("/loaders", headers={"Accept": "text/html"})
        taken.append(time.perf_counter() - began)
    assert answer.text.count('<th scope="row">') == 100
    assert min(taken) < 0.15, taken
