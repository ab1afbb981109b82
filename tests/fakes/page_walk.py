"""Walks over pages and lists what is wrong with them: failures, markup out of data, what overflows, what has no name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from playwright.sync_api import Browser

from tests.fakes.browser import open_reader

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
#: What a person with a screen reader would miss, found in the document itself.
NAMELESS = """() => {
  const faults = [];
  const named = (one) => one.labels?.length || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby');
  for (const one of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
    if (!named(one) && one.getAttribute('aria-hidden') !== 'true') faults.push('no label: ' + one.outerHTML.slice(0, 80));
  for (const one of document.querySelectorAll('a, button'))
    if (!one.textContent.trim() && !one.getAttribute('aria-label')) faults.push('no name: ' + one.outerHTML.slice(0, 80));
  const levels = [...document.querySelectorAll('main :is(h1, h2, h3, h4)')].map((one) => +one.tagName[1]);
  if (levels.filter((one) => one === 1).length !== 1) faults.push('not one h1: ' + levels);
  levels.forEach((one, at) => at && one > levels[at - 1] + 1 && faults.push('heading skipped: ' + levels));
  for (const one of ['main', 'nav[aria-label]', 'footer', 'header']) if (!document.querySelector(one)) faults.push('no ' + one);
  const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
  const twice = ids.filter((one, at) => ids.indexOf(one) !== at);
  if (twice.length) faults.push('id twice: ' + twice);
  for (const one of document.querySelectorAll('[aria-describedby], [aria-labelledby]'))
    for (const id of [one.getAttribute('aria-describedby'), one.getAttribute('aria-labelledby')].join(' ').trim().split(/\\s+/))
      if (!document.getElementById(id)) faults.push('refers to nothing: ' + id);
  for (const one of document.querySelectorAll('table')) if (!one.querySelector('th[scope]')) faults.push('table without heads');
  if (document.documentElement.lang !== 'en') faults.push('no language');
  return faults;
}"""


def list_faults(
    browser: Browser, url: str, paths: Iterable[str], *, state: Any, looks: Sequence[tuple[str, int]]
) -> list[str]:
    """Every path in every look (theme, width), for the reader whose cookies are in `state`."""
    faults: list[str] = []
    for theme, width in looks:
        reader = open_reader(
            browser, url, storage_state=state, color_scheme=theme, viewport={"width": width, "height": 800}
        )
        for path in paths:
            page = reader.go(path)
            faults += [f"{path} {theme} {width}: {one}" for one in (*page.evaluate(NAMELESS), *reader.faults)]
            reader.faults.clear()
            if page.evaluate("document.documentElement.scrollWidth") > width:
                faults.append(f"{path} is wider than {width}")
            if page.locator("main img, main script").count():
                faults.append(f"{path}: markup from data")
        reader.page.context.close()
    return faults
