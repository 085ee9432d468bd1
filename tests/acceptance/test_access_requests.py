"""Roles and templates for a while: asked for, answered, broken open, ended; by HTTP, ``hfit`` and the admin socket."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.live.daemon import Person
from tests.live.reviewed import Reviewed
from tests.support.http import Answer, Api

ROWS = "/db/music/main/Invoice/rows?limit=1"


async def ask(free: Reviewed, person: Person, name: str = "support", **more: object) -> Answer:
    return await Api(free.daemon, person).post("/requests", {"name": name, "reason": "ticket 4711", **more})


async def answer(free: Reviewed, person: Person, request_id: str, verb: str, **body: object) -> Answer:
    return await Api(free.daemon, person).post(f"/requests/{request_id}/{verb}", body)


async def glasses(free: Reviewed) -> float:
    """The metric of broken glass."""
    text = (await Api(free.daemon, None).get("//metrics")).body.decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("hfitd_break_glass_total "))


async def test_a_loan_gives_the_role_at_once_and_takes_it_back_when_it_is_revoked(free: Reviewed) -> None:
    person = free.daemon.add_person("borrower@example.org")
    api = Api(free.daemon, person)
    assert (await api.get(ROWS)).status == 404
    made = await ask(free, person, duration="30m")
    assert (made.status, made.json["state"], made.json["seconds"]) == (201, "pending", 1800.0)
    assert (await api.get(ROWS)).status == 404
    lent = await answer(free, free.owner, made.json["id"], "approve", reason="go on")
    assert (lent.status, lent.json["state"], lent.json["decided_by"]) == (200, "granted", "owner@example.org")
    assert (await api.get(ROWS)).status == 200
    who = (await api.get("/auth/whoami")).json
    assert who["roles"] == ["support"]
    assert who["loans"] == [{"role": "support", "ends": lent.json["ends"], "request": made.json["id"]}]
    ended = await answer(free, free.second, made.json["id"], "revoke", reason="enough")
    assert ended.json["state"] == "revoked"
    assert (await api.get(ROWS)).status == 404
    records = [r for r in free.daemon.audit_records() if r.get("details", {}).get("request") == made.json["id"]]
    assert {"access.approve", "access.revoke"} <= {r["action"] for r in records}
    reads = [r.get("details", {}) for r in free.daemon.audit_records() if r.get("action") == "rows"]
    assert {"on_loan": f"support by {made.json['id']}"} in reads


async def test_a_loan_ends_by_the_clock_though_the_token_lives_on(free: Reviewed) -> None:
    person = free.daemon.add_person("brief@example.org")
    api = Api(free.daemon, person)
    made = await ask(free, person, duration="1s")
    await answer(free, free.owner, made.json["id"], "approve")
    assert (await api.get(ROWS)).status == 200
    await asyncio.sleep(1.05)
    assert (await api.get(ROWS)).status == 404
    assert (await api.get("/auth/whoami")).json["roles"] == []
    assert (await api.get(f"/requests/{made.json['id']}")).json["state"] == "ended"
    assert (await answer(free, person, made.json["id"], "revoke")).status == 409


async def test_a_package_that_was_obtained_on_loan_is_not_given_again_after_it(free: Reviewed) -> None:
    daemon = free.daemon
    author = Api(daemon, free.author)
    text = (
        "hfitVersion: 1\ntemplateName: invoices\npackageName: invoices\nexports:\n"
        "  invoice.csv: {type: table-data, data: {dbms: music, table: Invoice}}\n"
    )
    assert (await author.put_template(text)).status == 201
    assert (await author.request("POST", "/packtmpl/invoices/share")).status == 200
    person = daemon.add_person("packer@example.org")
    made = await ask(free, person)
    assert (await Api(daemon, person).package("invoices")).status == 404
    await answer(free, free.owner, made.json["id"], "approve")
    package = await Api(daemon, person).package("invoices")
    assert package.status == 200
    path = f"/packages/{package.headers['X-Hfit-Package']}"
    assert (await Api(daemon, person).get(path)).status == 200
    await answer(free, person, made.json["id"], "revoke")
    assert (await Api(daemon, person).get(path)).status == 404


async def test_nobody_answers_their_own_request_and_a_loan_lets_nobody_answer(free: Reviewed) -> None:
    mine = await ask(free, free.owner)
    for verb in ("approve", "deny"):
        refused = await answer(free, free.owner, mine.json["id"], verb, reason="me")
        assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert (await answer(free, free.second, mine.json["id"], "approve")).status == 200
    holder = free.daemon.add_person("holder@example.org", "peers")
    asked = await ask(free, free.dev, name="peers")
    assert (await answer(free, free.owner, asked.json["id"], "approve")).status == 404
    borrower = free.daemon.add_person("peer-for-a-day@example.org")
    borrowed = await ask(free, borrower, name="peers")
    assert (await answer(free, holder, borrowed.json["id"], "approve")).status == 200
    assert (await Api(free.daemon, borrower).get("/auth/whoami")).json["roles"] == ["peers"]
    assert (await answer(free, borrower, asked.json["id"], "approve")).status == 404
    assert (await answer(free, holder, asked.json["id"], "approve")).status == 200


async def test_d06_an_approver_who_holds_a_key_of_the_person_is_not_a_second_person(free: Reviewed) -> None:
    daemon = free.daemon
    double = daemon.add_person("double@example.org", "owner")
    daemon.admin("user.add-key", email="double@example.org", key=free.dev.public_key)
    made = await ask(free, free.dev)
    refused = await answer(free, daemon.login(double), made.json["id"], "approve")
    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    over_socket = daemon.hfitd("request", "approve", made.json["id"], "--as", "double@example.org")
    assert over_socket.code == 1


async def test_a_request_is_denied_with_a_reason_that_the_person_reads(free: Reviewed) -> None:
    made = await ask(free, free.dev)
    assert (await answer(free, free.owner, made.json["id"], "deny", reason=" ")).status == 400
    denied = await answer(free, free.owner, made.json["id"], "deny", reason="use the test data")
    assert denied.json["state"] == "denied"
    read = await Api(free.daemon, free.dev).get(f"/requests/{made.json['id']}")
    assert (read.json["decision"], read.json["decided_by"]) == ("use the test data", "owner@example.org")
    assert (await answer(free, free.second, made.json["id"], "approve")).status == 409


async def test_broken_glass_works_at_once_is_an_alarm_and_waits_for_another_persons_review(free: Reviewed) -> None:
    daemon = free.daemon
    person = daemon.add_person("fire@example.org")
    glass: dict[str, object] = {"break_glass": True, "duration": "10m"}
    assert (await ask(free, person, **glass)).status == 400
    assert (await ask(free, person, name="peers", ticket="T-1", **glass)).code == "FORBIDDEN"
    before = await glasses(free)
    made = await ask(free, person, ticket="T-1", **glass)
    assert (made.status, made.json["state"], made.json["break_glass"]) == (201, "granted", True)
    assert (await Api(daemon, person).get(ROWS)).status == 200
    assert await glasses(free) == before + 1
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if '"glass_broken"' in line]
    assert (lines[-1]["level"], lines[-1]["request"]) == ("critical", made.json["id"])
    record = next(r for r in daemon.audit_records() if r.get("action") == "access.break_glass")
    assert (record["reason"], record["details"]["ticket"]) == ("ticket 4711", "T-1")
    assert record["details"]["request"] == made.json["id"]
    assert made.json["id"] in {item["id"] for item in daemon.admin("status")["break_glass"]}
    assert (await answer(free, person, made.json["id"], "review", note="fine")).code == "FORBIDDEN"
    assert (await answer(free, free.owner, made.json["id"], "review", note="")).status == 400
    assert (await answer(free, free.owner, made.json["id"], "review", note="was needed")).status == 200
    assert (await answer(free, free.second, made.json["id"], "review", note="again")).status == 409
    assert made.json["id"] not in {item["id"] for item in daemon.admin("status")["break_glass"]}
    assert (await answer(free, free.owner, made.json["id"], "revoke")).json["state"] == "revoked"
    assert (await Api(daemon, person).get(ROWS)).status == 404


@pytest.mark.parametrize("verb", ["", "/approve", "/deny", "/revoke", "/review"])
async def test_a_request_of_others_answers_a_stranger_like_one_that_is_not_there(free: Reviewed, verb: str) -> None:
    made = (await ask(free, free.dev)).json["id"]
    body = {"note": "x"} if verb == "/review" else {"reason": "x"}
    for person in (free.nobody, free.author):
        api = Api(free.daemon, person)
        answers = []
        for request_id in (made, "0" * 16, "..%2f..", "a:b"):
            path = f"/requests/{request_id}{verb}"
            answers.append(await (api.post(path, body) if verb else api.get(path)))
        assert {(item.status, item.code, item.json["message"]) for item in answers} == {
            (404, "NOT_FOUND", "There is no such request.")
        }
        assert (await api.get("/requests")).json == []
    assert (await Api(free.daemon, free.nobody).request("GET", f"/requests/{made}{verb}")).status in {404, 405}


@pytest.mark.parametrize("name", ["fixed", "owner", "no-such", "invoices-draft", "template.run:x", "*"])
async def test_what_cannot_be_asked_for_is_not_there(free: Reviewed, name: str) -> None:
    refused = await ask(free, free.nobody, name=name)
    assert (refused.status, refused.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "more",
    [{"duration": "3h"}, {"duration": "0s"}, {"duration": 60}, {"reason": " "}, {"reason": "x" * 2000}, {"x": 1}],
)
async def test_a_request_that_cannot_be_meant_is_refused(free: Reviewed, more: dict[str, object]) -> None:
    assert (await ask(free, free.dev, **more)).status == 400


async def test_a_template_can_be_asked_for_and_is_lent_by_who_may_approve_it(free: Reviewed) -> None:
    daemon = free.daemon
    author = Api(daemon, free.author)
    text = (
        "hfitVersion: 1\ntemplateName: lent.case\npackageName: lent\nexports:\n"
        "  c.csv: {type: table-data, data: {dbms: music, table: Customer}}\n"
    )
    assert (await author.put_template(text)).status == 201
    lead = daemon.add_person("lead@example.org", "lead")
    assert (await ask(free, lead, name="lent.case")).status == 404  # a draft
    assert (await author.request("POST", "/packtmpl/lent.case/share")).status == 200
    assert (await Api(daemon, lead).package("lent.case")).status == 404
    made = await ask(free, lead, name="lent.case")
    assert made.json["name"] == "author@example.org:lent.case"
    assert made.json["role"] == "template.run:author@example.org:lent.case"
    assert (await answer(free, free.author, made.json["id"], "approve")).status == 404
    assert (await answer(free, free.owner, made.json["id"], "approve", duration="20m")).status == 200
    assert (await Api(daemon, lead).package("lent.case")).status == 200
    shown = [item["name"] for item in (await Api(daemon, lead).get("/packtmpl")).json]
    assert shown == ["lent.case"]  # and not lentXcase
    other = Api(daemon, daemon.add_person("other@example.org", "author"))  # shares one of that name, which nobody lent
    assert (await other.put_template(text.replace("Customer}", "Invoice}"))).status == 201
    assert (await other.request("POST", "/packtmpl/lent.case/share")).status == 200
    assert (await Api(daemon, lead).package("other@example.org:lent.case")).code == "NOT_FOUND"
    assert (await Api(daemon, lead).package("author@example.org:lent.case")).status == 200
    assert [item["owner"] for item in (await Api(daemon, lead).get("/packtmpl")).json] == ["author@example.org"]
    unclear = await ask(free, lead, name="lent.case")
    assert (unclear.status, unclear.code) == (400, "BAD_REQUEST")
    assert "Use author@example.org:lent.case" in unclear.json["suggestions"]


def test_a_person_asks_and_another_answers_at_the_terminal(free: Reviewed) -> None:
    daemon = free.daemon
    person = daemon.add_person("typist@example.org")
    for who in (person, free.owner):
        assert daemon.hfit(who, "login").code == 0
    made = daemon.hfit(person, "request", "support", "--reason", "ticket 1", "--for", "1h", "--json")
    assert made.code == 0, made.err
    request_id = json.loads(made.out)["id"]
    listed = json.loads(daemon.hfit(free.owner, "request", "list", "--state", "pending", "--json").out)
    assert request_id in {item["id"] for item in listed}
    assert daemon.hfit(person, "request", "approve", request_id).code == 6
    assert daemon.hfitd("request", "approve", request_id, "--as", "dev@example.org").code == 4
    lent = daemon.hfitd("request", "approve", request_id, "--as", "owner@example.org", "--for", "20m", "--reason", "ok")
    assert lent.code == 0, lent.err
    assert "support until" in daemon.hfit(person, "whoami").out
    shown = daemon.hfit(person, "request", "show", request_id)
    assert "granted" in shown.out
    assert daemon.hfit(person, "request", "revoke", request_id).code == 0
    assert daemon.hfit(person, "request", "show", "0" * 16).code == 4
    assert request_id in {item["id"] for item in json.loads(daemon.hfitd("request", "list").out)}
    uids = [r.get("os_uid") for r in daemon.audit_records() if r.get("details", {}).get("request") == request_id]
    assert any(isinstance(uid, int) for uid in uids)
