"""The pages in Chromium, against the API as a process: what a person can do, and what stops him."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from resources.control_plane import open_control_plane
from tests.fakes.api_server import ApiServer, serving
from tests.fakes.browser import PASSWORD, chromium, open_reader
from tests.fakes.page_data import CANARY, caller, make_active, make_people, orders
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.needs("chromium")]
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def site(platform: Platform) -> Iterator[ApiServer]:
    make_people(platform)
    with serving(platform, rate_limit_per_minute=100_000, environment={"ETLMON_ENVIRONMENT": "test"}) as server:
        yield server


def test_every_failed_login_says_the_same_and_the_fifth_locks(site: ApiServer, browser: Browser) -> None:
    reader = open_reader(browser, site.url)
    answers = set()
    for name, password in (
        ("nobody", PASSWORD),
        *(("olaf", f"wrong password {n}") for n in range(5)),
        ("olaf", PASSWORD),
    ):
        page = reader.log_in(name, password)
        answers.add(page.get_by_role("alert").inner_text())
        assert page.url.endswith("/login")
    assert len(answers) == 1
    assert "wrong, or the account is locked" in answers.pop()
    admin = open_reader(browser, site.url).log_in("ada")
    admin.goto(f"{site.url}/users/olaf")
    expect(admin.locator("main")).to_contain_text("Locked")
    admin.get_by_role("link", name="Unlock").click()
    admin.get_by_role("dialog").get_by_role("button", name="Unlock").click()
    expect(admin.get_by_role("status")).to_contain_text("olaf is unlocked")
    assert reader.log_in("olaf").url == f"{site.url}/"
    admin.goto(f"{site.url}/logins?username=olaf")
    assert {"wrong-password", "locked", "success"} <= set(admin.locator("td .badge").all_inner_texts())


@pytest.mark.requirement("A6")
@pytest.mark.requirement("A7")
def test_a_version_is_written_submitted_approved_by_another_and_rolled_back(site: ApiServer, browser: Browser) -> None:
    author, approver = open_reader(browser, site.url), open_reader(browser, site.url)
    author.log_in("olaf")
    page = author.go("/new-loader?source=push")
    page.get_by_label("Title").fill("Rows of the nightly load")
    area = page.get_by_role("textbox", name="Definition", exact=True)
    area.fill(area.input_value().replace("MY-LOADER", "NIGHTLY"))
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_role("status")).to_contain_text("Version 1 is saved as a draft")
    page.get_by_role("link", name="Submit for approval").click()
    page.get_by_role("dialog").get_by_role("button", name="Submit for approval").click()
    expect(page.locator("main")).to_contain_text("You submitted this version: somebody else has to approve it.")
    expect(page.get_by_role("link", name="Approve")).to_have_count(0)
    approver.log_in("olga")
    page = approver.go("/")
    expect(page.locator("main")).to_contain_text("Yours to decide")
    page.get_by_role("link", name="NIGHTLY version 1").click()
    page.get_by_role("link", name="Approve").click()
    expect(page.get_by_role("dialog")).to_contain_text("written by olaf and submitted by olaf")
    page.get_by_role("dialog").get_by_role("button", name="Approve and activate").click()
    expect(page.get_by_role("status")).to_contain_text("Version 1 is active")
    page.get_by_role("link", name="New draft from this").click()
    page.get_by_label("Schedule").fill("every tuesday")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("#e-schedule")).to_contain_text("cron line of five fields")
    page.get_by_label("Schedule").fill("0 6 * * *")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="Submit for approval").click()
    page.get_by_role("dialog").get_by_role("button", name="Submit for approval").click()
    page = author.go("/loaders/NIGHTLY/versions/2")
    page.get_by_role("link", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve and activate").click()
    page = author.go("/loaders/NIGHTLY/versions/1")
    page.get_by_role("link", name="Roll back to this").click()
    expect(page.get_by_role("dialog")).to_contain_text("Version 2, which is active now, is archived.")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("status")).to_contain_text("Version 1 is active again")
    page = author.go("/loaders/NIGHTLY/diff?old=1&new=2")
    expect(page.locator("main")).to_contain_text("every 5 minutes → every day at 06:00")
    assert [one for one in author.faults + approver.faults if "422" not in one] == []


def test_a_rejection_needs_a_reason_that_the_author_reads(site: ApiServer, browser: Browser) -> None:
    with open_control_plane(site.platform.settings, site.platform.url) as control:
        control.loaders.create_draft(orders(), caller=caller("olaf"))
        control.loaders.submit("ORDERS-DB", 1, caller=caller("olaf"))
    reader = open_reader(browser, site.url, java_script_enabled=False)  # every step is a page of its own then
    reader.log_in("olga")
    page = reader.go("/loaders/ORDERS-DB")
    page.get_by_role("link", name="Reject").click()
    assert page.url.partition("?")[0].endswith("/versions/1/reject")
    page.get_by_label("Why").fill("   ")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("status").first).to_contain_text("a rejection needs a reason", ignore_case=True)
    page.get_by_role("link", name="Reject").click()
    page.get_by_label("Why").fill("Ask the replica, not the primary.")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("main")).to_contain_text("Rejected by olga")
    expect(page.locator("blockquote")).to_have_text("Ask the replica, not the primary.")


def test_a_stale_edit_loses_no_typing_and_shows_both(site: ApiServer, browser: Browser) -> None:
    with open_control_plane(site.platform.settings, site.platform.url) as control:
        control.loaders.create_draft(orders(), caller=caller("olaf"))
    first, second = open_reader(browser, site.url), open_reader(browser, site.url)
    first.log_in("olaf"), second.log_in("olga")
    for reader, title in ((first, "Title of olaf"), (second, "Title of olga")):
        reader.go("/loaders/ORDERS-DB/versions/1/edit").get_by_label("Title").fill(title)
    first.page.get_by_role("button", name="Save draft").click()
    first.page.wait_for_url("**/versions/1")
    second.page.get_by_role("button", name="Save draft").click()
    expect(second.page.get_by_role("alert")).to_contain_text("Somebody saved this version while you were writing")
    expect(second.page.get_by_label("Title")).to_have_value("Title of olga")
    expect(second.page.get_by_role("region", name=re.compile("Theirs"))).to_contain_text("Title of olaf")
    second.page.get_by_role("button", name="Save over theirs").click()
    expect(second.page.locator(".lead").first).to_contain_text("Title of olga")


def test_a_confirmation_is_void_when_the_content_changed_meanwhile(site: ApiServer, browser: Browser) -> None:
    with open_control_plane(site.platform.settings, site.platform.url) as control:
        control.loaders.create_draft(orders(), caller=caller("olaf"))
        control.loaders.submit("ORDERS-DB", 1, caller=caller("olaf"))
        reader = open_reader(browser, site.url)
        reader.log_in("olga")
        page = reader.go("/loaders/ORDERS-DB")
        page.get_by_role("link", name="Approve").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        edited = control.loaders.edit("ORDERS-DB", 1, orders(title="Other"), caller=caller("olaf"), revision=2)
        control.loaders.submit("ORDERS-DB", 1, caller=caller("olaf"), revision=edited.revision)
        dialog.get_by_role("button", name="Approve and activate").click()
        expect(page.locator(".flash")).to_contain_text("revision")
        assert control.loaders.get("ORDERS-DB", 1).state == "PENDING"


@pytest.mark.requirement("A8")
def test_a_workbook_with_errors_is_shown_mended_and_imported(site: ApiServer, browser: Browser, tmp_path: Path) -> None:
    with open_control_plane(site.platform.settings, site.platform.url) as control:
        make_active(control, orders())
    reader = open_reader(browser, site.url)
    reader.log_in("olga")
    page = reader.go("/import")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export active loaders").click()
    good, bad = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    download.value.save_as(good)
    book = openpyxl.load_workbook(good)
    sheet = next(one for one in book if any(cell.value == "ORDERS-DB" for row in one.iter_rows() for cell in row))
    row = next(cell.row for line in sheet.iter_rows() for cell in line if cell.value == "ORDERS-DB")
    schedule = next(cell for cell in sheet[row] if cell.value == "*/5 * * * *")
    schedule.value = "sometimes"
    book.save(bad)
    schedule.value = "*/10 * * * *"
    book.save(good)
    page.get_by_label("Workbook").set_input_files(bad)
    page.get_by_role("button", name="Upload and preview").click()
    errors = page.get_by_role("region", name="Errors").or_(page.locator("section", has_text="What to do"))
    expect(errors.first).to_contain_text(f"{sheet.title}!{schedule.coordinate}")
    expect(page.get_by_role("button", name=re.compile("^Import "))).to_have_count(0)
    page = reader.go("/import")
    page.get_by_label("Workbook").set_input_files(good)
    page.get_by_role("button", name="Upload and preview").click()
    expect(page.locator("main")).to_contain_text("Nothing has changed yet")
    page.get_by_role("button", name="Import 1 version as drafts").click()
    expect(page.get_by_role("status").first).to_contain_text("good.xlsx is imported")
    page.get_by_role("link", name="ORDERS-DB").click()
    expect(page.locator("main")).to_contain_text("every 10 minutes")
    assert reader.faults == []
    uploads = list((site.settings.home / "run" / "uploads").iterdir())
    assert len(uploads) == 1, "the mended one is gone, the faulty one waits for its hour"
    assert b"ORDERS-DB" not in uploads[0].read_bytes()


def test_an_admin_runs_the_house(site: ApiServer, browser: Browser) -> None:
    reader = open_reader(browser, site.url)
    page = reader.log_in("ada")
    page.goto(f"{site.url}/users")
    page.get_by_role("link", name="Add user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name").fill("nina")
    dialog.get_by_label("OPERATOR").check()
    dialog.get_by_role("button", name="Add user").click()
    password = page.locator("#shown-once").inner_text()
    page.reload()
    expect(page.locator("#shown-once")).to_have_count(0)
    nina = open_reader(browser, site.url)
    nina.log_in("nina", password)
    assert nina.page.url.endswith("/account/password")
    nina.go("/loaders")
    assert nina.page.url.endswith("/account/password"), "nothing else before the password is changed"
    nina.page.get_by_label("Present password").fill(password)
    nina.page.get_by_label("New password", exact=True).fill("short")
    nina.page.get_by_label("New password again").fill("short")
    nina.page.locator("#f-wanted").evaluate("one => one.removeAttribute('minlength')")
    nina.page.get_by_role("button", name="Change password").click()
    expect(nina.page.locator("#e-wanted")).to_contain_text("at least 12")
    for label, value in (("Present password", password), ("New password", PASSWORD), ("New password again", PASSWORD)):
        nina.page.get_by_label(label, exact=True).fill(value)
    nina.page.get_by_role("button", name="Change password").click()
    expect(nina.page.get_by_role("status").first).to_contain_text("Your password is changed")
    page.goto(f"{site.url}/tokens/new")
    page.get_by_label("Name").fill("nightly job")
    page.get_by_label("signals:push").check()
    page.get_by_role("button", name="Make token").click()
    token = page.locator("#shown-once").inner_text()
    assert site.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 403
    page.get_by_role("link", name="Revoke nightly job").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    assert site.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    page.goto(f"{site.url}/policies")
    page.get_by_label("connection.url for OPERATOR").select_option("hidden")
    page.get_by_role("button", name="Save connection.url").click()
    expect(page.get_by_label("connection.url for OPERATOR")).to_have_value("HIDDEN")
    page.goto(f"{site.url}/limits")
    page.get_by_label("Name").fill("nina")
    page.get_by_label("Requests a minute").fill("5000")
    page.get_by_role("button", name="Set limit").click()
    expect(page.get_by_role("row", name=re.compile("nina"))).to_contain_text("5,000")
    page.goto(f"{site.url}/keys")
    page.get_by_role("link", name="Rotate").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("status").first).to_contain_text("encrypts now")
    page.goto(f"{site.url}/users/nina")
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    nina.go("/loaders")
    assert "/login?next=%2Floaders" in nina.page.url
    page.goto(f"{site.url}/audit")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("status").first).to_contain_text("The audit is intact")
    assert reader.faults == []
    with open_control_plane(site.platform.settings, site.platform.url) as control, control.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE audit_entries SET actor = 'somebody else' WHERE sequence = 3"))
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.locator(".flash")).to_contain_text("First bad entry: 3")


def test_a_viewer_sees_no_secret_and_no_button(site: ApiServer, browser: Browser) -> None:
    with open_control_plane(site.platform.settings, site.platform.url) as control:
        make_active(control, orders())
        control.loaders.create_draft(orders(title="Next"), caller=caller("olaf"))
        control.loaders.submit("ORDERS-DB", 2, caller=caller("olaf"))
    reader = open_reader(browser, site.url)
    reader.log_in("vera")
    for path in (
        "/loaders",
        "/loaders/ORDERS-DB",
        "/loaders/ORDERS-DB/versions/2",
        "/loaders/ORDERS-DB/diff?old=1&new=2",
    ):
        content = reader.go(path).content()
        assert CANARY not in content
        assert "db.internal" not in content
    assert "Your role may not approve loaders" in reader.go("/loaders/ORDERS-DB/versions/2").content()
    assert reader.page.get_by_role("link", name=re.compile("Approve|Edit|New draft")).count() == 0
    assert reader.page.get_by_role("navigation", name="Main").get_by_role("link", name="Users").count() == 0
    reader.go("/users")
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("You may not do this")
