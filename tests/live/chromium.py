"""The distribution's Chromium, driven by Playwright; nothing is downloaded for it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import axe_playwright_python
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


def find_chromium() -> str:
    """The program; AssertionError with the remedy when it is missing."""
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert found, "Chromium is missing; run: sh tests/support/prepare.sh servers"
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=[*ARGUMENTS])
        try:
            yield browser
        finally:
            await browser.close()


class Watch:
    """What a page asked for and complained of. ``asked`` are addresses, ``said`` lines of its console."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.said: list[str] = []
        page.on("request", self._note_request)
        page.on("console", self._note_words)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))

    def _note_request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _note_words(self, message: ConsoleMessage) -> None:
        self.said.append(f"{message.type}: {message.text}")

    def foreign(self, origin: str) -> list[str]:
        """Requests that left the gateway."""
        return [url for url in self.asked if not url.startswith((f"{origin}/", "data:", "blob:"))]


async def violations(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe-core objects to, a line each; with ``rules`` only those are tried."""
    source = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
    await page.evaluate(source)  # by the debugger: the page's own policy would not let a script in
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": [*rules]}
    found = await page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{item['id']}: {item['help']}: {[node['html'][:120] for node in item['nodes']][:3]}"
        for item in found["violations"]
    ]
