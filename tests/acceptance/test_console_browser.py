"""The console in a real Chromium, on the demo's data, as a tester and a data owner use it.

With ``--screenshots`` (``make screenshots``) the pictures of the documentation are written on the way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from hfitd.demo.world import CONFIG, make_world
from tests.live.chromium import Watch, chromium, violations
from tests.live.daemon import Daemon, Person, role, running
from tests.support.source import ROOT

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 200_000
CASE = """hfitVersion: 1
templateName: customer-with-everything
description: One customer, what they bought, and everything that it refers to
projectName: shop
packageName: everything-${customer_id}
parameters:
  customer_id: {type: integer, required: true, description: Whose case}
exports:
  schema.sql: {type: table-create, data: {dbms: chinook, tablelist: [Customer, Employee, Invoice, InvoiceLine, Track,
    Album, Artist, Genre]}}
  case.sql:
    type: subset
    data:
      dbms: chinook
      roots: [{table: Customer, where: "CustomerId = ${customer_id}"}]
      children: [Invoice, InvoiceLine]
      exclude: [MediaType]
  logs: {type: files, volume: app_logs, filters: ["name:*_${customer_id}_*"]}
"""
HALF = """hfitVersion: 1
templateName: payroll-and-artists
description: Artists, and what the staff earns
projectName: shop
packageName: payroll-and-artists
exports:
  artists.csv: {type: table-data, data: {dbms: chinook, table: Artist}}
  pay.csv: {type: table-data, data: {dbms: chinook, table: Payroll}}
"""
ROLES = role(
    "data_owner", "audit.read:**", "template.approve:*", "template.run:*", "rows:chinook/main/*", "ddl:chinook/main/*",
    "files.list:app_logs/**", "files.read:app_logs/**",
)  # fmt: skip
LENT = """
[roles.support]
requestable = true
approvers = ["data_owner"]
grants = ["raw:chinook/main/Customer"]
"""


@dataclass(frozen=True)
class Shop:
    """The demo's gateway with a tester and a data owner."""

    daemon: Daemon
    tester: Person
    owner: Person

    async def address(self, person: Person) -> str:
        """What ``hfit web`` prints."""
        done = await asyncio.to_thread(self.daemon.hfit, person, "web", "--print")
        assert done.code == 0, done.err
        return done.out.strip()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """It runs, with two templates and one request."""
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder)
    body = CONFIG[CONFIG.index("[providers") :] + ROLES + LENT
    with running(Daemon(folder, body)) as daemon:
        tester = daemon.add_person("quinn@example.org", "developer")
        owner = daemon.add_person("dana@example.org", "data_owner")
        assert daemon.hfit(tester, "login").code == 0
        assert daemon.hfit(owner, "login").code == 0
        for text, name in ((CASE, "customer-with-everything"), (_example(daemon, tester), "customer-case")):
            (tester.folder / "template.yaml").write_text(text)
            for words in (("create", "template.yaml"), ("share", name)):
                done = daemon.hfit(tester, "pkg-tmpl", *words)
                assert done.code == 0, done.err
        words = ("request", "new", "support", "--reason", "An invoice that is wrong", "--ticket", "T-17")
        done = daemon.hfit(tester, *words)
        assert done.code == 0, done.err
        yield Shop(daemon, tester, owner)


def _example(daemon: Daemon, person: Person) -> str:
    return daemon.hfit(person, "pkg-example").out


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as running_browser:
        yield running_browser


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile."""
    context = await browser.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    yield context
    await context.close()


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Path | None:
    """Where pictures go, if they are wanted."""
    if not request.config.getoption("--screenshots"):
        return None
    IMAGES.mkdir(exist_ok=True)
    return IMAGES


async def enter(shop: Shop, person: Person, context: BrowserContext) -> tuple[Page, Watch]:
    """A page that is in, by the ticket of the command line."""
    page = await context.new_page()
    watch = Watch(page)
    await page.goto(await shop.address(person))
    assert page.url == f"{shop.daemon.origin}/console/enter"  # the ticket is out of the address and the history
    assert await page.inner_text("#name") == person.email
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console")
    return page, watch


async def shoot(page: Page, folder: Path | None, name: str) -> None:
    """A picture for the documentation."""
    if folder is not None:
        await page.screenshot(path=folder / f"console-{name}.png")


async def test_a_tester_runs_a_template_and_gets_a_package_that_verifies(
    shop: Shop, context: BrowserContext, tmp_path: Path, picture: Path | None
) -> None:
    page, watch = await enter(shop, shop.tester, context)
    await shoot(page, picture, "templates")
    await page.get_by_role("link", name="customer-with-everything").click()
    await page.get_by_label("customer_id").fill("42")
    await page.get_by_role("button", name="Show the plan").click()
    await page.wait_for_selector("svg.plan")
    described = await page.eval_on_selector("svg.plan", "(node) => node.querySelector('desc').textContent")
    assert "starting at main.Customer" in described
    assert "left out: main.MediaType" in described
    await page.evaluate("document.getElementById('plan').scrollIntoView()")
    await shoot(page, picture, "plan")
    await page.get_by_role("button", name="Run it").click()
    link = page.get_by_role("link", name="Download")
    await link.wait_for()
    await shoot(page, picture, "package")
    async with page.expect_download() as waiting:
        await link.click()
    download = await waiting.value
    path = tmp_path / download.suggested_filename
    await download.save_as(path)
    done = await asyncio.to_thread(shop.daemon.hfit, shop.tester, "verify", path)
    assert done.code == 0, done.err
    await page.get_by_role("link", name="Packages").first.click()
    assert "everything-42" in await page.inner_text("main")
    assert watch.foreign(shop.daemon.origin) == []
    assert watch.said == []
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url("**/console/enter")
    await page.goto(f"{shop.daemon.origin}/console")
    assert "hfit web" in await page.inner_text("main")


PAGES = {
    "templates": "/console",
    "template": "/console/templates/quinn%40example.org%3Acustomer-with-everything",
    "packages": "/console/packages",
    "data": "/console/data",
    "tables": "/console/data/chinook/main",
    "policy": "/console/data/chinook/main/main.Customer",
    "volumes": "/console/volumes",
    "files": "/console/volumes/app_logs",
    "requests": "/console/requests",
    "review": "/console/templates/quinn%40example.org%3Acustomer-with-everything/review",
    "audit": "/console/audit?since=1d",
    "operations": "/console/operations",
    "missing": "/console/nowhere",
}
SHOWN = {"policy", "requests", "review", "audit", "operations"}


async def test_axe_core_objects_to_nothing_on_any_page_in_light_and_in_dark(
    shop: Shop, context: BrowserContext, picture: Path | None
) -> None:
    page, watch = await enter(shop, shop.owner, context)
    found: dict[str, list[str]] = {}
    for name, path in PAGES.items():
        answer = await page.goto(shop.daemon.origin + path)
        assert answer is not None
        assert answer.status == (404 if name == "missing" else 200), path
        assert len(await answer.body()) < MOST_BYTES
        found[f"{name}, light"] = await violations(page)
        if name in SHOWN:
            await shoot(page, picture, name)
        await page.emulate_media(color_scheme="dark")
        found[f"{name}, dark"] = await violations(page, ("color-contrast",))
        await page.emulate_media(color_scheme="light")
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert watch.foreign(shop.daemon.origin) == []
    assert [line for line in watch.said if "404" not in line] == []


async def test_axe_core_objects_to_nothing_on_a_plan_a_package_and_the_way_in(
    shop: Shop, context: BrowserContext, picture: Path | None
) -> None:
    page, _ = await enter(shop, shop.tester, context)
    found = {}
    await page.goto(shop.daemon.origin + PAGES["template"])
    await page.get_by_label("customer_id").fill("17")
    await page.get_by_role("button", name="Show the plan").click()
    await page.wait_for_selector("svg.plan")
    found["plan, light"] = await violations(page)
    await page.emulate_media(color_scheme="dark")
    found["plan, dark"] = await violations(page, ("color-contrast",))
    await page.evaluate("document.getElementById('plan').scrollIntoView()")
    await shoot(page, picture, "plan-dark")
    found |= await refused_plan(shop, page, picture)
    await page.goto(shop.daemon.origin + PAGES["template"])
    await page.get_by_label("customer_id").fill("17")
    await page.get_by_role("button", name="Run it").click()
    await page.get_by_role("link", name="Download").wait_for()
    found["package, dark"] = await violations(page)
    await page.get_by_role("button", name="Log out").click()
    found["enter, dark"] = await violations(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


async def refused_plan(shop: Shop, page: Page, picture: Path | None) -> dict[str, list[str]]:
    """What axe-core says of the picture of a plan that is refused, which has words, too."""
    (shop.tester.folder / "half.yaml").write_text(HALF)
    done = await asyncio.to_thread(shop.daemon.hfit, shop.tester, "pkg-tmpl", "create", "half.yaml")
    assert done.code == 0, done.err
    await page.goto(f"{shop.daemon.origin}/console/templates/payroll-and-artists")
    await page.get_by_role("button", name="Show the plan").click()
    await page.wait_for_selector("svg.plan .box.refused")
    assert "refused: pay.csv" in str(await page.text_content("svg.plan desc"))
    assert "pay.csv" in await page.inner_text("section[aria-labelledby=refused] ul")
    found = {"refused, dark": await violations(page)}
    await page.emulate_media(color_scheme="light")
    found["refused, light"] = await violations(page)
    await page.evaluate("document.getElementById('refused').scrollIntoView()")
    await shoot(page, picture, "refused")
    await page.emulate_media(color_scheme="dark")
    return found


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name, label or text is reached."""
    named = """() => { const at = document.activeElement;
        return at.ariaLabel || (at.labels && at.labels[0] && at.labels[0].textContent) || at.textContent; }"""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if name in str(await page.evaluate(named)):
            return
    raise AssertionError(f"the Tab key does not lead to {name}")


async def test_a_template_is_run_and_its_package_fetched_by_keyboard_alone(shop: Shop, context: BrowserContext) -> None:
    page, watch = await enter(shop, shop.tester, context)
    await page.goto(shop.daemon.origin + PAGES["template"])
    await tab_to(page, "customer_id")
    await page.keyboard.type("5")
    await tab_to(page, "Run it")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/packages/**")
    await page.get_by_role("link", name="Download").wait_for()
    await tab_to(page, "Download")
    async with page.expect_download() as waiting:
        await page.keyboard.press("Enter")
    assert (await waiting.value).suggested_filename == "everything-5.tar.gz"
    assert watch.said == []


async def test_a_request_and_a_template_are_approved_by_keyboard_alone(shop: Shop, context: BrowserContext) -> None:
    page, watch = await enter(shop, shop.owner, context)
    await page.goto(shop.daemon.origin + PAGES["requests"])
    await tab_to(page, "Approve support for quinn@example.org")
    await page.keyboard.type("It is for T-17")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_text("granted").first.wait_for()
    await page.goto(shop.daemon.origin + PAGES["review"])
    await tab_to(page, "Reason")
    await page.keyboard.type("Read")
    await tab_to(page, "Approve")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/templates/*everything")
    assert "by dana@example.org" in await page.inner_text("main")
    assert watch.said == []


async def test_axe_core_does_object_where_there_is_something(context: BrowserContext) -> None:
    page = await context.new_page()
    await page.set_content("<title>t</title><img src='data:,'><p style='color: #ccc; background: #fff'>pale</p>")
    assert {"color-contrast", "image-alt"} <= {line.partition(":")[0] for line in await violations(page)}


async def test_the_keyboard_is_enough_and_its_first_stop_leads_past_the_sections(
    shop: Shop, context: BrowserContext
) -> None:
    page, _ = await enter(shop, shop.tester, context)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/templates/**")
    assert await page.get_by_label("customer_id").count() == 1


async def test_without_javascript_the_ticket_is_pasted_and_the_pages_work(shop: Shop, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    _, _, behind = (await shop.address(shop.tester)).partition("#")
    await page.goto(f"{shop.daemon.origin}/console/enter")
    email, _, ticket = behind.partition("~")
    await page.get_by_label("E-mail").fill(email.replace("%40", "@"))
    await page.get_by_label("Ticket").fill(ticket)
    await page.get_by_role("button", name="Open the console").click()
    await page.get_by_role("link", name="customer-case").click()
    await page.get_by_label("customer_id").fill("5")
    await page.get_by_role("button", name="Run it").click()
    await page.get_by_role("link", name="Download").wait_for(timeout=20_000)
    await context.close()


async def test_another_site_cannot_frame_the_console_nor_send_its_forms(shop: Shop, context: BrowserContext) -> None:
    page, _ = await enter(shop, shop.tester, context)
    other = await context.new_page()
    trap = _trap(shop.daemon.origin)
    await other.route("http://evil.example/", lambda route: route.fulfill(body=trap, content_type="text/html"))
    await other.goto("http://evil.example/")
    await other.wait_for_selector("#done", state="attached")
    await other.get_by_role("button", name="win").click()
    await other.wait_for_url(f"{shop.daemon.origin}/**")
    assert "Log out" not in await other.inner_text("body")  # the cookie did not come along
    framed = [frame for frame in other.frames if frame.url.startswith(shop.daemon.origin) and frame != other.main_frame]
    assert framed == []
    await page.reload()
    assert "Log out" in await page.inner_text("body")  # and nobody was logged out


def _trap(origin: str) -> str:
    action = json.dumps(f"{origin}/console/leave")
    return (
        f"<iframe src={json.dumps(origin + '/console')}></iframe>"
        f"<form method=post action={action}><button>win</button></form><p id=done>"
    )
