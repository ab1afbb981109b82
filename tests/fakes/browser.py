"""A real Chromium on our pages: it keeps what went wrong (console, failed requests, policy violations) until somebody asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, Request, sync_playwright

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
PASSWORD = "four unrelated words 7"


@dataclass
class Reader:
    """Somebody at a browser window of his own."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a page."""
        self.page.goto(self.url + path)
        return self.page

    def log_in(self, username: str, password: str = PASSWORD) -> Page:
        """By the form."""
        self.go("/login")
        self.page.get_by_label("User name").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_load_state()
        return self.page

    def text(self) -> str:
        """What the content of the page says."""
        return self.page.locator("main").inner_text()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Debian browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        yield browser
        browser.close()


def open_reader(browser: Browser, url: str, **options: Any) -> Reader:
    """A window with no cookies. Options as of `new_context` (color_scheme, viewport, java_script_enabled)."""
    context = browser.new_context(**options)
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " (event) => console.error('CSP ' + event.violatedDirective + ' ' + event.blockedURI));"
    )
    context.set_default_timeout(90_000)  # a journey is judged by what happens, not by how busy the machine is
    reader = Reader(context.new_page(), url)
    reader.page.on(
        "console", lambda one: one.type in {"error", "warning"} and reader.faults.append(f"console: {one.text}")
    )
    reader.page.on("pageerror", lambda error: reader.faults.append(f"script: {error}"))
    reader.page.on("requestfailed", lambda one: _keep_failure(reader, one))
    reader.page.on("dialog", lambda one: (reader.faults.append(f"dialog: {one.message}"), one.dismiss()))
    return reader


def _keep_failure(reader: Reader, request: Request) -> None:
    """What the browser itself gives up, because the reader has gone on to the next page, is no failure of the server."""
    if request.failure != "net::ERR_ABORTED":
        reader.faults.append(f"request: {request.url} {request.failure}")
