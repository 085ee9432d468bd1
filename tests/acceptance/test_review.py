"""Review of templates over HTTP, by ``hfit`` and over the admin socket, as author, developer, reviewer and stranger."""

from __future__ import annotations

import io
import json
import shutil
import signal
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.live.daemon import Person
from tests.live.reviewed import TEMPLATE, Reviewed, config_of, running_review
from tests.support.http import Answer, Api

TABLE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  customer.csv: {{type: table-data, data: {{dbms: music, table: Customer}}}}
"""


async def shared(world: Reviewed, name: str, text: str = TEMPLATE) -> None:
    """A template of the author that everybody may see."""
    author = Api(world.daemon, world.author)
    assert (await author.put_template(text.format(name=name))).status == 201
    assert (await author.request("POST", f"/packtmpl/{name}/share")).status == 200


async def approve(world: Reviewed, name: str, person: Person | None = None, **decision: object) -> Answer:
    return await Api(world.daemon, person or world.owner).post(f"/packtmpl/{name}/approve", decision)


def manifest_of(archive: bytes) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = next(item for item in tar.getmembers() if item.name.endswith("METADATA/manifest.json"))
        file = tar.extractfile(member)
        assert file is not None
        return dict(json.load(file))


async def update(world: Reviewed, name: str, text: str) -> None:
    headers = {"Content-Type": "application/yaml"}
    answer = await Api(world.daemon, world.author).request(
        "PUT", f"/packtmpl/{name}", data=text.encode(), headers=headers
    )
    assert answer.status == 200, answer.body


async def test_t13_shared_but_not_reviewed_runs_for_nobody_where_review_is_required(strict: Reviewed) -> None:
    await shared(strict, "unread")
    for person in (strict.author, strict.dev):
        answer = await Api(strict.daemon, person).package("unread", 5)
        assert (answer.status, answer.code) == (403, "APPROVAL_REQUIRED")
        assert answer.json["category"] == "PERMISSION_DENIED"
        assert answer.json["suggestions"]
    assert (await Api(strict.daemon, strict.nobody).package("unread", 5)).status == 404


async def test_an_approved_template_runs_and_its_package_names_the_approval(strict: Reviewed) -> None:
    await shared(strict, "plain")
    answer = await approve(strict, "plain", reason="read it")
    assert answer.status == 200, answer.body
    package = await Api(strict.daemon, strict.dev).package("plain", 5, compression="none")
    assert package.status == 200
    named = manifest_of(package.body)["approval"]
    assert named == {
        "digest": answer.json["digest"],
        "approver": "owner@example.org",
        "expires": answer.json["expires"],
        "template": "author@example.org:plain",
    }
    listed = {item["name"]: item for item in (await Api(strict.daemon, strict.dev).get("/packtmpl")).json}
    assert listed["plain"]["state"] == "approved"
    assert listed["plain"]["approval"]["approver"] == "owner@example.org"
    plan = await Api(strict.daemon, strict.dev).post("/packplan", {"template_name": "plain", "parameters": ["5"]})
    assert plan.json["approval"]["digest"] == answer.json["digest"]
    records = strict.daemon.audit_records()
    decided = next(r for r in records if r.get("action") == "template.approve" and r["objects"] == ["plain"])
    assert (decided["email"], decided["reason"]) == ("owner@example.org", "read it")
    built = [r for r in records if r.get("action") == "package" and r["details"]["template"] == "plain"]
    assert built[-1]["details"]["approval"] == answer.json["digest"]


async def test_t13_changed_after_review_only_the_approved_text_still_runs_by_its_digest(strict: Reviewed) -> None:
    await shared(strict, "moved")
    digest = (await approve(strict, "moved")).json["template_digest"]
    await update(strict, "moved", TEMPLATE.format(name="moved") + "#\n")
    dev = Api(strict.daemon, strict.dev)
    answer = await dev.package("moved", 5)
    assert answer.code == "APPROVAL_REQUIRED"
    assert "changed after its approval" in answer.json["message"]
    assert f"author@example.org:moved@{digest}" in " ".join(answer.json["suggestions"])
    old = await dev.package(f"author@example.org:moved@{digest}", 5, compression="none")
    assert manifest_of(old.body)["template"]["digest"] == digest
    shown = await dev.get(f"/packtmpl/moved@{digest}")
    assert (shown.body.decode(), shown.headers["X-Hfit-State"]) == (TEMPLATE.format(name="moved"), "approved")
    for other in ("0" * 64, digest[:-1] + ("0" if digest[-1] != "0" else "1")):
        assert (await dev.package(f"moved@{other}", 5)).status == 404
        assert (await dev.get(f"/packtmpl/moved@{other}")).status == 404
    current = (await dev.get("/packtmpl/moved")).headers["ETag"].strip('"')
    assert (await dev.package(f"moved@{current}", 5)).code == "APPROVAL_REQUIRED"
    listed = {item["name"]: item for item in (await dev.get("/packtmpl")).json}
    assert listed["moved"]["state"] == "shared"
    assert "changed" in listed["moved"]["approval"]["problem"]


async def test_t13_no_export_is_named_so_that_the_reviewer_does_not_see_a_prepare_step(strict: Reviewed) -> None:
    text = TEMPLATE.format(name="veil").replace("City FROM", "City AS town FROM").replace("customer.csv", "prepare.csv")
    query = "{type: dbquery, dbms: music, query: SELECT Total FROM Invoice WHERE InvoiceId = 1}"
    text = text.replace("exports:", f"prepare: [{{setVar: csv, from: hot-data, hdata: {query}}}]\nexports:")
    author = Api(strict.daemon, strict.author)
    made = await author.put_template(text)
    assert made.status == 201, made.body
    assert (await author.request("POST", "/packtmpl/veil/share")).status == 200
    plan = (await Api(strict.daemon, strict.owner).get("/packtmpl/veil/review")).json["plan"]
    assert any(line.startswith("prepare:csv ") and "main.Invoice.Total" in line for line in plan), plan
    assert any(line.startswith("prepare.csv ") and "main.Customer.City" in line for line in plan), plan


async def test_a_changed_text_that_is_changed_back_is_the_approved_one(strict: Reviewed) -> None:
    await shared(strict, "back")
    await approve(strict, "back")
    await update(strict, "back", TEMPLATE.format(name="back") + "#\n")
    assert (await Api(strict.daemon, strict.dev).package("back", 5)).status == 403
    await update(strict, "back", TEMPLATE.format(name="back"))
    assert (await Api(strict.daemon, strict.dev).package("back", 5)).status == 200


async def test_parameters_and_budget_bind_and_nothing_leaves_beyond_them(strict: Reviewed) -> None:
    await shared(strict, "bound")
    assert (await approve(strict, "bound", allow=["customer_id=1..10"], max_rows=8)).status == 200
    dev = Api(strict.daemon, strict.dev)
    assert (await dev.package("bound", 8)).status == 200
    many = await dev.package("bound", 9)
    assert (many.status, many.code) == (403, "APPROVAL_REQUIRED")
    assert "8 rows" in many.json["message"]
    beyond = await dev.package("bound", 11)
    assert (beyond.status, beyond.code) == (403, "APPROVAL_REQUIRED")
    assert "customer_id" in beyond.json["message"]
    assert "11" not in beyond.json["message"]
    assert strict.daemon.spool_is_empty()
    assert (await approve(strict, "bound", max_bytes=100)).status == 200
    assert "100 bytes" in (await dev.package("bound", 8)).json["message"]


async def test_a_withdrawn_approval_ends_new_runs_and_old_package_ids(strict: Reviewed) -> None:
    await shared(strict, "gone")
    await approve(strict, "gone")
    dev = Api(strict.daemon, strict.dev)
    package = (await dev.package("gone", 5)).headers["X-Hfit-Package"]
    assert (await dev.get(f"/packages/{package}")).status == 200
    assert (await dev.post("/packtmpl/gone/unapprove", {})).code == "FORBIDDEN"
    answer = await Api(strict.daemon, strict.second).post("/packtmpl/gone/unapprove", {"reason": "too wide"})
    assert answer.status == 200
    assert "withdrawn" in (await dev.package("gone", 5)).json["message"]
    assert (await dev.get(f"/packages/{package}")).status == 404
    assert (await Api(strict.daemon, strict.author).post("/packtmpl/gone/unapprove", {})).status == 404


async def test_an_approval_ends_when_its_time_is_over(strict: Reviewed) -> None:
    await shared(strict, "brief")
    assert (await approve(strict, "brief", duration="0.6s")).status == 200
    dev = Api(strict.daemon, strict.dev)
    assert (await dev.package("brief", 5)).status == 200
    while "expired" not in (answer := await dev.package("brief", 5)).body.decode(errors="replace"):
        assert answer.status == 200
    assert answer.code == "APPROVAL_REQUIRED"


async def test_d06_nobody_approves_their_own_template_and_holders_of_a_key_are_one_person(strict: Reviewed) -> None:
    daemon = strict.daemon
    daemon.admin("user.set-roles", email="second@example.org", roles=["owner", "author"])
    second = daemon.login(strict.second)
    assert (await Api(daemon, second).put_template(TEMPLATE.format(name="mine"))).status == 201
    assert (await Api(daemon, second).request("POST", "/packtmpl/mine/share")).status == 200
    own = await Api(daemon, second).post("/packtmpl/mine/approve", {})
    assert (own.status, own.code) == (403, "FORBIDDEN")
    over_socket = daemon.hfitd("template", "approve", "mine", "--as", "second@example.org", "--yes")
    assert over_socket.code == 1
    assert "their own" in over_socket.err
    alias = daemon.add_person("alias@example.org", "owner")
    daemon.admin("user.add-key", email="alias@example.org", key=second.public_key)
    again = await Api(daemon, daemon.login(alias)).post("/packtmpl/mine/approve", {})
    assert (again.status, again.code) == (403, "FORBIDDEN")
    daemon.admin("user.set-roles", email="second@example.org", roles=["owner"])


async def test_d06_a_right_to_approve_counts_on_loan_but_not_behind_broken_glass(strict: Reviewed) -> None:
    daemon = strict.daemon
    await shared(strict, "night")
    for broken, status in ((True, 403), (False, 200)):
        person = daemon.add_person(f"night-{broken}@example.org".lower())
        api = Api(daemon, person)
        wish = {"name": "oncall", "reason": "night shift", "ticket": "T-2", "break_glass": broken}
        made = await api.post("/requests", wish)
        if not broken:
            assert (await approve(strict, "night", person)).status == 404
            lent = await Api(daemon, strict.owner).post(f"/requests/{made.json['id']}/approve", {})
            assert lent.status == 200
        assert (await approve(strict, "night", person)).status == status


async def test_d06_an_approval_over_the_socket_names_the_person_and_the_systems_user(strict: Reviewed) -> None:
    await shared(strict, "socket")
    daemon = strict.daemon
    assert daemon.hfitd("template", "approve", "socket", "--as", "dev@example.org").code == 1
    assert daemon.hfitd("template", "approve", "socket", "--as", "nobody@example.org").code == 4
    ran = daemon.hfitd("template", "approve", "socket", "--as", "owner@example.org", "--reason", "by hand")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["approver"] == "owner@example.org"
    records = daemon.audit_records()
    mine = [r for r in records if r.get("objects") == ["socket"] and r.get("email") == "owner@example.org"]
    assert {"template.approve"} <= {r["action"] for r in mine}
    assert all(isinstance(r["os_uid"], int) for r in mine if r["action"] == "template.approve")
    commands = [r for r in records if r.get("action") == "admin.template.approve"]
    assert commands[-1]["reason"] == "by hand"
    assert isinstance(commands[-1]["os_uid"], int)
    assert daemon.hfitd("template", "revoke", "socket", "--as", "second@example.org").code == 0
    assert (await Api(daemon, strict.dev).package("socket", 5)).code == "APPROVAL_REQUIRED"


async def test_what_is_approved_is_what_was_read(strict: Reviewed) -> None:
    await shared(strict, "raced")
    owner = Api(strict.daemon, strict.owner)
    review = (await owner.get("/packtmpl/raced/review")).json
    assert review["changes"] is None
    assert any("Customer.Email  hash" in line for line in review["plan"])
    await update(strict, "raced", TEMPLATE.format(name="raced") + "# more\n")
    read = {"template_digest": review["digest"], "plan_digest": review["plan_digest"]}
    late = await owner.post("/packtmpl/raced/approve", read)
    assert (late.status, late.code) == (409, "CONFLICT")
    assert (await owner.post("/packtmpl/raced/approve", {})).status == 200
    await update(strict, "raced", TEMPLATE.format(name="raced") + "# even more\n")
    again = (await owner.get("/packtmpl/raced/review")).json
    assert "+# even more" in again["changes"]["text"]
    assert again["changes"]["plan"] == []
    assert again["last"]["approver"] == "owner@example.org"


@pytest.mark.parametrize("path", ["review", "approve", "unapprove"])
async def test_who_cannot_see_a_template_learns_nothing_of_its_review(strict: Reviewed, path: str) -> None:
    await shared(strict, f"hidden-{path}")
    method = "GET" if path == "review" else "POST"
    for person in (strict.nobody, strict.owner):
        api = Api(strict.daemon, person)
        name = f"hidden-{path}" if person is strict.nobody else "author@example.org:never-made"
        answers = [await api.request(method, f"/packtmpl/{item}/{path}") for item in (name, "no-such-template")]
        assert {(answer.status, answer.code) for answer in answers} == {(404, "NOT_FOUND")}


async def test_a_draft_cannot_be_approved_by_a_reviewer_who_cannot_see_it(strict: Reviewed) -> None:
    assert (await Api(strict.daemon, strict.author).put_template(TEMPLATE.format(name="draft"))).status == 201
    assert (await approve(strict, "author@example.org:draft")).status == 404


@pytest.mark.parametrize(
    "decision",
    [
        {"allow": ["nope=1"]}, {"allow": ["customer_id"]}, {"duration": "400d"}, {"duration": 5}, {"max_rows": 0},
        {"max_rows": "5"}, {"roles": ["no-such"]}, {"max_bytes": "many"}, {"other": 1}, {"allow": "customer_id=1"},
    ],
)  # fmt: skip
async def test_an_approval_that_cannot_be_meant_is_refused(strict: Reviewed, decision: dict[str, object]) -> None:
    name = f"odd-{abs(hash(str(decision))) % 10**8}"
    await shared(strict, name)
    assert (await approve(strict, name, **decision)).status == 400
    assert (await Api(strict.daemon, strict.dev).package(name, 5)).code == "APPROVAL_REQUIRED"


async def test_rows_and_prepare_queries_of_a_reviewed_provider_need_an_approval_too(strict: Reviewed) -> None:
    dev = Api(strict.daemon, strict.dev)
    assert (await dev.get("/db/music/main/Customer/rows?limit=1")).code == "APPROVAL_REQUIRED"
    assert (await dev.get("/db/music/main/Customer")).status == 200
    assert (await dev.get("/db/nowhere/main/Customer/rows")).status == 404
    assert (await Api(strict.daemon, strict.nobody).get("/db/music/main/Customer/rows")).status == 404
    prepared = TABLE.format(name="prepared").replace(
        "exports:",
        "prepare:\n  - {setVar: n, from: hot-data, hdata: {type: dbquery, dbms: music,"
        ' query: "SELECT City FROM Customer WHERE CustomerId = 1"}}\nexports:',
    )
    await shared(strict, "prepared", prepared.replace("{", "{{").replace("}", "}}"))
    asked = {"template_name": "prepared", "parameters": [], "prepare": True}
    assert (await dev.post("/packplan", asked)).code == "APPROVAL_REQUIRED"
    assert (await approve(strict, "prepared")).status == 200
    assert (await dev.post("/packplan", asked)).status == 200


async def test_the_same_name_of_two_owners_is_approved_for_one_of_them(strict: Reviewed) -> None:
    daemon = strict.daemon
    other = daemon.add_person("other@example.org", "author")
    await shared(strict, "twin")
    assert (await Api(daemon, other).put_template(TEMPLATE.format(name="twin"))).status == 201
    assert (await Api(daemon, other).request("POST", "/packtmpl/twin/share")).status == 200
    assert (await approve(strict, "twin")).status == 400
    assert (await approve(strict, "author@example.org:twin")).status == 200
    dev = Api(daemon, strict.dev)
    assert (await dev.package("author@example.org:twin", 5)).status == 200
    assert (await dev.package("other@example.org:twin", 5)).code == "APPROVAL_REQUIRED"


async def test_a_role_that_needs_review_gets_nothing_directly_and_a_second_role_does_not_help(free: Reviewed) -> None:
    daemon = free.daemon
    person = daemon.add_person("guarded@example.org", "reviewed", "developer")
    api = Api(daemon, person)
    await shared(free, "table", TABLE)
    assert (await api.package("table")).code == "APPROVAL_REQUIRED"
    assert (await api.get("/db/music/main/Customer/rows?limit=1")).code == "APPROVAL_REQUIRED"
    assert (await api.get("/files/files/download?path=a.log")).code == "APPROVAL_REQUIRED"
    wanted = {"Want-Repr-Digest": "sha-256=1"}
    head = await api.request("HEAD", "/files/files/download?path=a.log", headers=wanted)
    assert head.status == 403 and "Repr-Digest" not in head.headers
    assert (await Api(daemon, free.dev).package("table")).status == 200
    assert (await Api(daemon, free.dev).get("/files/files/download?path=a.log")).status == 200
    assert (await approve(free, "table")).status == 200
    assert (await api.package("table")).status == 200


async def test_a_free_query_needs_the_right_to_query_again_when_its_approval_ends(free: Reviewed) -> None:
    await shared(free, "query")
    dev = Api(free.daemon, free.dev)
    assert (await dev.package("query", 5)).code == "EXPORT_REFUSED"
    await approve(free, "query", allow=["customer_id=1..5"])
    assert (await dev.package("query", 5)).status == 200
    assert (await dev.package("query", 6)).code == "EXPORT_REFUSED"
    await Api(free.daemon, free.owner).post("/packtmpl/query/unapprove", {})
    assert (await dev.package("query", 5)).code == "EXPORT_REFUSED"


async def test_an_approval_covers_nobody_who_would_see_more_than_was_read(strict: Reviewed) -> None:
    daemon = strict.daemon
    await shared(strict, "wide", TABLE)
    assert (await approve(strict, "wide")).status == 200
    assert (await Api(daemon, strict.dev).package("wide")).status == 200
    person = daemon.add_person("raw@example.org", "raw")
    lifted = await Api(daemon, person).package("wide")
    assert lifted.code == "APPROVAL_REQUIRED"
    assert "Email" in lifted.json["message"]
    assert (await approve(strict, "wide", roles=["raw"])).status == 200
    assert (await Api(daemon, person).package("wide")).status == 200


async def test_t14_an_approved_template_gives_nobody_more_than_their_own_rights(strict: Reviewed) -> None:
    invoice = "  invoice.csv: {{type: table-data, data: {{dbms: music, table: Invoice}}}}\n"
    await shared(strict, "rights", TABLE + invoice)
    assert (await approve(strict, "rights")).status == 200
    narrow = strict.daemon.add_person("narrow@example.org", "reviewed")
    answer = await Api(strict.daemon, narrow).package("rights")
    assert (answer.status, answer.code) == (403, "EXPORT_REFUSED")
    assert answer.json["resource"] == "invoice.csv"


async def test_a_change_of_policy_or_schema_needs_another_review(chinook_sqlite: Path, tmp_path: Path) -> None:
    music = tmp_path / "music.sqlite3"
    shutil.copy(chinook_sqlite, music)
    with running_review(tmp_path, music) as world:
        await shared(world, "case", TABLE)
        assert (await approve(world, "case")).status == 200
        dev = Api(world.daemon, world.dev)
        assert (await dev.package("case")).status == 200
        with sqlite3.connect(music) as database:
            database.execute("ALTER TABLE Customer ADD COLUMN Nickname TEXT")
        database.close()
        changed = await dev.package("case", refresh=True)
        assert changed.code == "APPROVAL_REQUIRED"
        assert "Customer" in changed.json["message"]
        review = (await Api(world.daemon, world.owner).get("/packtmpl/case/review")).json
        assert any("Nickname" in line for line in review["changes"]["plan"])
        assert (await approve(world, "case")).status == 200
        assert (await dev.package("case", refresh=True)).status == 200
        body = config_of(world.daemon.folder, music).replace('mask = "hash"', 'mask = "const"\nvalue = "x"')
        world.daemon.write_config(body)
        world.daemon.signal(signal.SIGHUP)
        while (answer := await dev.package("case")).status == 200:
            pass
        assert "policy" in answer.json["message"]


def test_a_person_reviews_at_the_terminal(strict: Reviewed, tmp_path: Path) -> None:
    daemon = strict.daemon
    place = tmp_path / "typed.yaml"
    place.write_text(TEMPLATE.format(name="typed"))
    for person in (strict.author, strict.owner, strict.dev):
        assert daemon.hfit(person, "login").code == 0
    assert daemon.hfit(strict.author, "pkg-tmpl", "create", place).code == 0
    assert daemon.hfit(strict.author, "pkg-tmpl", "share", "typed").code == 0
    refused = daemon.hfit(strict.dev, "pkg-download", "typed", "5")
    assert refused.code == 6
    assert "approved" in refused.err
    first = daemon.hfit(strict.owner, "pkg-tmpl", "approve", "typed", "--allow", "customer_id=1..9", "--for", "7d")
    assert first.code == 0, first.err
    assert "never approved" in first.err
    assert "Customer.Email  hash" in first.err
    again = daemon.hfit(strict.owner, "pkg-tmpl", "approve", "typed", "--yes", "--json")
    assert json.loads(again.out)["allow"] == []
    got = daemon.hfit(strict.dev, "pkg-download", "typed", "5")
    assert got.code == 0, got.err
    plan = daemon.hfit(strict.dev, "pkg-plan", "typed", "5")
    assert "by owner@example.org until" in plan.out
    shown = daemon.hfit(strict.dev, "pkg-tmpl", "show", "typed")
    assert "Approved by owner@example.org" in shown.err
    assert daemon.hfit(strict.owner, "pkg-tmpl", "unapprove", "typed", "--reason", "no").code == 0
    assert json.loads(daemon.hfit(strict.dev, "pkg-tmpl", "show", "typed", "--json").out)["state"] == "shared"


def test_a_template_is_checked_against_what_is_there_now(strict: Reviewed, tmp_path: Path) -> None:
    place = tmp_path / "wrong.yaml"
    place.write_text(
        TABLE.format(name="wrong")
        + "  b.csv: {type: table-data, data: {dbms: music, table: NoSuch}}\n"
        + '  c.csv: {type: database, provider: music, query: "SELECT Nope FROM Customer"}\n'
        + "  d.csv: {type: table-data, data: {dbms: music, table: Track}}\n"
    )
    ran = strict.daemon.hfitd("template", "check", place, "--as", "author@example.org")
    assert ran.code == 1
    assert [line.partition(":")[0] for line in ran.out.splitlines() if not line.startswith(" ")] == [
        "b.csv", "d.csv", "c.csv",
    ]  # fmt: skip
    assert strict.daemon.hfitd("template", "check", "no-such-template").code == 4
