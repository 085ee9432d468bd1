"""The pages of the console: what they show to whom, and that nothing a database or a person wrote becomes markup."""

from __future__ import annotations

import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.live.daemon import Daemon, Person, role, running, sqlite_provider, volume
from tests.live.world import EVERYTHING, LIMITS, World
from tests.support.browser import opened
from tests.support.http import Api

HOSTILE = "<img src=x onerror=alert(1)>'\"&{{7*7}}"
NAME = HOSTILE.partition("{{")[0]  # of a table: no address of a route holds braces
SUBSET = f"""hfitVersion: 1
templateName: everything
description: {json.dumps(HOSTILE)}
projectName: {json.dumps(HOSTILE)}
packageName: all
parameters:
  who: {{type: text, required: true, description: {json.dumps(HOSTILE)}}}
  size: {{type: enum, values: [small, "<b>"], default: small}}
exports:
  case.sql:
    type: subset
    data: {{dbms: odd, roots: [{{table: person, where: "name = ${{who}}"}}], children: all, exclude: [secret]}}
  files: {{type: files, volume: odd_files, filters: ["name:*"]}}
"""
TABLES = f"""
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE secret (id INTEGER PRIMARY KEY);
CREATE TABLE letter (id INTEGER PRIMARY KEY, email TEXT);
CREATE TABLE "{NAME.replace('"', '""')}" (id INTEGER PRIMARY KEY, "{NAME.replace('"', '""')}" TEXT,
  person_id INTEGER REFERENCES person (id), secret_id INTEGER REFERENCES secret (id));
INSERT INTO person VALUES (1, 'ann');
INSERT INTO "{NAME.replace('"', '""')}" VALUES (1, 'x', 1, NULL);
"""
MASK = """
[[policy.mask]]
columns = ["odd/main/person.name"]
mask = "hash"
filterable = "equality"
"""


class Reader(HTMLParser):
    """The elements of a page, and what a policy or a test would object to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element; inline handlers, styles and scripts are bad."""
        self.tags.append(tag)
        self.bad += [f"{tag} {name}" for name, _ in attrs if name.startswith("on") or name == "style"]
        self.bad += [f"{tag} {v}" for _, v in attrs if (v or "").strip().lower().startswith(("javascript:", "data:"))]
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.bad.append(tag)


def check_page(body: bytes) -> str:
    """The page's text, after a look at its markup."""
    reader = Reader()
    reader.feed(body.decode())
    assert reader.bad == []
    assert {"img"} & set(reader.tags) == {"img"}  # the mark at the top
    assert reader.tags.count("img") == 1
    assert reader.tags.count("h1") == 1
    assert b"<b>" not in body
    return body.decode()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Person, Person]]:
    """A gateway on names that would be markup, a developer of it, and a data owner who may read its audit log."""
    folder = tmp_path_factory.mktemp("odd")
    with closing(sqlite3.connect(folder / "odd.db")) as database:
        database.executescript(TABLES)
    (folder / "files").mkdir()
    (folder / "files" / "<img src=x onerror=alert(1)>.txt").write_text("x")
    body = sqlite_provider("odd", folder / "odd.db") + volume("odd_files", folder / "files") + MASK + LIMITS
    body += role("developer", *EVERYTHING, "!rows:odd/main/secret")
    body += role("owner", "audit.read:odd/main/person", "audit.read:audit", "template.approve:*", "template.run:*")
    body += '\n[roles.lent]\nrequestable = true\napprovers = ["owner"]\ngrants = ["rows:odd/main/secret"]\n'
    with running(Daemon(folder, body)) as daemon:
        dev, owner = daemon.add_person("dev@example.org", "developer"), daemon.add_person("own@example.org", "owner")
        yield daemon, dev, owner


@pytest.fixture
async def template(odd: tuple[Daemon, Person, Person]) -> str:
    """The address of a shared template with hostile words."""
    api = Api(odd[0], odd[1])
    if (await api.get("/packtmpl/everything")).status == 404:
        assert (await api.put_template(SUBSET)).status == 201
        assert (await api.post("/packtmpl/everything/share", None)).status == 200
    return "/console/templates/dev%40example.org%3Aeverything"


async def test_names_and_words_of_others_are_text_on_every_page(
    odd: tuple[Daemon, Person, Person], template: str
) -> None:
    daemon, dev, _ = odd
    browser = await opened(daemon, dev)
    asked = await browser.send("/console/requests", {"name": "lent", "reason": HOSTILE, "ticket": HOSTILE})
    assert asked.status == 303
    plan = await browser.send(f"{template}/plan", {"given.who": HOSTILE, "given.size": "small"})
    tables = "/console/data/odd/main"
    pages = {
        "/console": 2, template: 2, tables: 1, f"{tables}/main.{quote(NAME, safe='')}": 2,
        "/console/volumes/odd_files": 1, "/console/requests": 2,
    }  # fmt: skip
    for path, times in pages.items():
        answer = await browser.get(path)
        assert answer.status == 200, path
        assert check_page(answer.body).count("&lt;img src=x") >= times, path
        assert len(answer.body) < 200_000
        assert "data" in path or path.endswith("odd_files") or b"{{7*7}}" in answer.body, path  # nothing is evaluated
    assert plan.status == 200
    assert check_page(plan.body).count("&lt;img src=x") >= 4
    gone = await browser.get(f"/console/templates/{quote(NAME, safe='')}")
    assert gone.status == 404
    assert b"&lt;img src=x" in gone.body
    assert check_page(gone.body)


async def test_a_plan_is_a_picture_with_words_and_shows_nothing_that_is_not_granted(
    odd: tuple[Daemon, Person, Person], template: str
) -> None:
    daemon, dev, _ = odd
    body = {"template_name": "everything", "parameters": {"who": "ann"}}
    document = (await Api(daemon, dev).post("/packplan", body)).json
    tables = {table["table"]: table for table in document["exports"][0]["tables"]}
    (key,) = tables[f"main.{NAME}"]["keys"]
    assert (key["columns"], key["to"], key["to_columns"]) == (["person_id"], "main.person", ["id"])
    assert key["followed"] == "both"
    picture = await Api(daemon, dev).post("/packplan", body, Accept="image/svg+xml")
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert b"secret" not in picture.body
    drawing = ET.fromstring(picture.body)
    assert drawing[0].text == "Plan of everything"
    assert "starting at main.person" in (drawing[1].text or "")
    assert "1 table with masked columns" in (drawing[1].text or "")


async def test_a_refused_plan_says_what_is_wrong_on_the_form_that_was_filled(
    odd: tuple[Daemon, Person, Person], template: str
) -> None:
    daemon, dev, _ = odd
    browser = await opened(daemon, dev)
    missing = await browser.send(f"{template}/plan", {"given.who": "", "given.size": "small"})
    assert missing.status == 422
    assert 'role="alert"' in check_page(missing.body)
    assert "The parameter who is missing." in missing.body.decode()
    assert re.search(rb"<option selected>small</option>", missing.body)


REFUSED = """hfitVersion: 1
templateName: half
packageName: half
exports:
  person.csv: {type: table-data, data: {dbms: odd, table: person}}
  letter.csv: {type: table-data, data: {dbms: odd, table: letter}}
  secret.csv: {type: table-data, data: {dbms: odd, table: secret}}
"""


@pytest.mark.parametrize("verb", ["plan", "run"])
async def test_what_is_refused_is_drawn_and_said_in_words_beside_what_is_not(
    odd: tuple[Daemon, Person, Person], verb: str
) -> None:
    daemon, dev, _ = odd
    if (await Api(daemon, dev).get("/packtmpl/half")).status == 404:
        assert (await Api(daemon, dev).put_template(REFUSED)).status == 201
    answer = await (await opened(daemon, dev)).send(f"/console/templates/half/{verb}", {})
    assert answer.status == 403
    page = check_page(answer.body)
    drawing = ET.fromstring(page[page.index("<svg") : page.index("</svg>")] + "</svg>")
    space = "{http://www.w3.org/2000/svg}"
    boxes = {group[0].text or "": group.get("class") for group in drawing.iter(f"{space}g")}
    kinds = {words.partition(";")[0]: kind for words, kind in boxes.items()}
    assert kinds == {"main.person": "box table", "letter.csv": "box refused", "secret.csv": "box refused"}
    assert any("the column email of main.letter is not classified" in words for words in boxes)
    assert "refused: letter.csv, " in (drawing.findtext(f"{space}desc") or "")
    assert "secret" not in page.replace("secret.csv", "").replace("table: secret", "")  # as if it were not there


async def test_a_package_is_run_followed_listed_and_fetched(
    odd: tuple[Daemon, Person, Person], template: str
) -> None:
    daemon, dev, owner = odd
    browser = await opened(daemon, dev)
    answer = await browser.send(f"{template}/run", {"given.who": "ann"})
    assert answer.status == 303
    page = answer.headers["Location"]
    events = await browser.get(f"{page}/events")
    assert events.headers["Content-Type"] == "text/event-stream"
    assert b"event: done" in events.body
    assert "It is whole and signed." in check_page((await browser.get(page)).body)
    assert page in (await browser.get("/console/packages")).body.decode()
    listed = (await Api(daemon, dev).get("/packages")).json
    assert f"/console/packages/{listed[0]['id']}" == page
    whole = await browser.get(f"{page}/download")
    assert whole.headers["Content-Disposition"].startswith('attachment; filename="all.tar.gz"')
    assert whole.body == (await Api(daemon, dev).get(f"/packages/{listed[0]['id']}")).body
    theirs = await opened(daemon, owner)
    for path in (page, f"{page}/download", f"{page}/events"):
        assert (await theirs.get(path)).status == 404
    assert (await Api(daemon, owner).get("/packages")).json == []


async def test_only_who_oversees_a_table_reads_why_its_columns_are_as_they_are(
    odd: tuple[Daemon, Person, Person],
) -> None:
    daemon, dev, owner = odd
    theirs, mine = await opened(daemon, owner), await opened(daemon, dev)
    page = (await theirs.get("/console/data/odd/main/main.person")).body.decode()
    assert "policy.mask odd/main/person.name" in page
    assert "Columns, as you get them" not in page  # rows are not theirs
    assert "Policy by column" not in (await mine.get("/console/data/odd/main/main.person")).body.decode()
    assert "main.secret" not in (await theirs.get("/console/data/odd/main")).body.decode()
    for browser, table in ((theirs, "main.secret"), (mine, "main.secret"), (theirs, "main.nowhere")):
        assert (await browser.get(f"/console/data/odd/main/{table}")).status == 404
    classes = (await Api(daemon, owner).get("/db/odd/main/main.person/policy")).json
    assert [(item["column"], item["state"], item["mask"]) for item in classes] == [
        ("id", "unclassified", None), ("name", "masked", "hash"),
    ]  # fmt: skip
    assert (await Api(daemon, dev).get("/db/odd/main/main.person/policy")).status == 404


async def test_a_second_person_answers_requests_and_reviews_templates(
    odd: tuple[Daemon, Person, Person], template: str
) -> None:
    daemon, dev, owner = odd
    mine, theirs = await opened(daemon, dev), await opened(daemon, owner)
    assert (await mine.send("/console/requests", {"name": "lent", "reason": "a case", "duration": "1h"})).status == 303
    request_id = (await Api(daemon, dev).get("/requests")).json[0]["id"]
    assert (await mine.send(f"/console/requests/{request_id}/approve", {"reason": "myself"})).status == 403
    assert (await theirs.send(f"/console/requests/{request_id}/approve", {"duration": "soon"})).status == 400
    assert (await theirs.send(f"/console/requests/{request_id}/approve", {"duration": "30m"})).status == 303
    assert (await Api(daemon, dev).get(f"/requests/{request_id}")).json["state"] == "granted"
    assert (await mine.send(f"/console/requests/{request_id}/revoke", {"reason": "done"})).status == 303
    assert (await mine.get(f"{template}/review")).status == 403
    page = await theirs.get(f"{template}/review")
    fields = {name: re.search(rf'name="{name}" value="([0-9a-f]+)"', page.body.decode()) for name in
              ("template_digest", "plan_digest")}  # fmt: skip
    digests = {name: found[1] for name, found in fields.items() if found}
    assert len(digests) == 2
    stale = await theirs.send(f"{template}/approve", {**digests, "plan_digest": "0" * 64})
    assert stale.status == 409
    assert (await theirs.send(f"{template}/approve", {**digests, "allow": "who~[a-z]+\r\n"})).status == 303
    assert "approved" in (await mine.get(template)).body.decode()
    assert (await theirs.send(f"{template}/unapprove", {"reason": "a test"})).status == 303


async def test_the_audit_log_is_searched_by_who_may_and_is_not_there_for_others(
    odd: tuple[Daemon, Person, Person], template: str
) -> None:
    daemon, dev, owner = odd
    mine, theirs = await opened(daemon, dev), await opened(daemon, owner)
    await mine.send(f"{template}/plan", {"given.who": "ann"})
    for path in ("/console/audit", "/console/audit?since=1d"):
        assert (await mine.get(path)).status == 404
    found = (await theirs.get("/console/audit?since=1d&email=dev@example.org")).body.decode()
    assert "list_templates" in found
    assert "own@example.org</td>" not in found
    for _ in range(101):
        await mine.get("/console")
    asked = "/console/audit?since=1d&email=dev@example.org&action=list_templates"
    first = (await theirs.get(asked)).body.decode()
    assert first.count('<th scope="row" class="when">') == 100
    assert "Newest</a>" not in first
    (older,) = re.findall(r'<a href="([^"]+)" rel="next">Older</a>', first)
    second = (await theirs.get(older.replace("&amp;", "&"))).body.decode()
    times = [re.findall(r'class="when">([^<]+)<', page) for page in (first, second)]
    assert times[0] == sorted(times[0], reverse=True)
    assert 1 <= len(times[1]) < 100
    assert times[1][0] <= times[0][-1]
    assert "Newest</a>" in second
    wrong = await theirs.get("/console/audit?since=yesterday")
    assert (wrong.status, b"A time is" in wrong.body) == (400, True)
    begun = [record for record in daemon.audit_records() if record.get("action") == "audit.read"]
    assert begun[-1]["details"] == {"since": "yesterday"} or begun[-1]["email"] == owner.email


async def test_a_person_without_rights_sees_empty_pages_and_the_sections_that_are_theirs(world: World) -> None:
    browser = await opened(world.daemon, world.nobody)
    page = (await browser.get("/console")).body.decode()
    assert re.findall(r'<li><a href="(/console[a-z/]*)"', page) == [
        "/console", "/console/packages", "/console/requests", "/console/operations",
    ]  # fmt: skip
    assert "no template here" in page
    for path in ("/data/shop_pg/sakila", "/volumes/docs", "/audit", "/templates/customer-case"):
        assert (await browser.get(f"/console{path}")).status == 404
    assert "No provider" in (await browser.get("/console/data")).body.decode()


async def test_operations_show_what_metrics_and_readiness_would(odd: tuple[Daemon, Person, Person]) -> None:
    daemon, dev, _ = odd
    browser = await opened(daemon, dev)
    page = (await browser.get("/console/operations")).body.decode()
    assert "Providers and their queues" in page
    assert str(daemon.folder) not in page
    for header in ("X-Forwarded-For", "Forwarded", "Via"):  # a proxy of this machine is not this machine
        assert (await browser.get("/console/operations", **{header: "127.0.0.1"})).status == 404
        assert "Operations" not in (await browser.get("/console", **{header: "127.0.0.1"})).body.decode()


async def test_files_are_filtered_and_fetched_as_by_the_command_line(world: World) -> None:
    browser = await opened(world.daemon, world.guest)
    page = (await browser.get("/console/volumes/docs?name=a_*&sort=size:desc")).body.decode()
    assert "a_42_b.pdf" in page
    assert "big.bin" not in page
    got = await browser.get("/console/volumes/docs/download?path=a_42_b.pdf")
    assert got.body == (world.daemon.folder / "docs" / "a_42_b.pdf").read_bytes()
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert (await browser.get("/console/volumes/app_logs")).status == 404
    wrong = await browser.get("/console/volumes/docs?size=large")
    assert (wrong.status, b"is not valid" in wrong.body) == (400, True)


def test_hfit_draws_a_plan_and_the_way_to_a_row_in_every_form(
    odd: tuple[Daemon, Person, Person], tmp_path: Path
) -> None:
    daemon, dev, _ = odd
    (tmp_path / "drawn.yaml").write_text(SUBSET.replace("templateName: everything", "templateName: drawn"))
    assert daemon.hfit(dev, "login").code == 0
    assert daemon.hfit(dev, "pkg-tmpl", "create", tmp_path / "drawn.yaml").code == 0
    got = daemon.hfit(dev, "pkg-download", "drawn", "who=ann", cwd=tmp_path)
    assert got.code == 0, got.err
    for form, begins in (("svg", "<svg "), ("dot", "digraph hfit {\n"), ("mermaid", "flowchart LR\n")):
        plan = daemon.hfit(dev, "pkg-plan", "drawn", "who=ann", "--graph", form)
        assert (plan.code, plan.out.startswith(begins)) == (0, True), plan.err
        assert "main.person" in plan.out
        assert "secret" not in plan.out
        way = daemon.hfit(dev, "explain", tmp_path / "all", f"main.{NAME}", "1", "--graph", form)
        assert (way.code, way.out.startswith(begins)) == (0, True), way.err
        assert "person_id" in way.out
