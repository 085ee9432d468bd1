"""``hfitd policy scan | explain`` and the guards of a policy, as an owner meets them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from hfitd.config.load import load_config
from tests.live.daemon import Daemon, Person, role, running, sqlite_provider, volume
from tests.support.http import Api

TABLES = """
CREATE TABLE customer (id integer PRIMARY KEY, courriel varchar(80), nachname varchar(40), ref varchar(60),
    "odd.name/x" varchar(60), tenant integer, status varchar(10), notes text, secret_word varchar(60));
CREATE VIEW everybody AS SELECT id, courriel AS c FROM customer;
"""
POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = "shop/main/customer.nachname"
mask = "person_name"
[[policy.mask]]
columns = "shop/main/customer.courriel"
mask = "email"
filterable = "equality"
[[policy.mask]]
columns = "shop/main/customer.secret_word"
mask = "drop"
[[policy.clear]]
columns = ["shop/main/customer.notes"]
[[policy.row_filter]]
table = "shop/main/customer"
roles = ["dev"]
where = "tenant = 1"
[limits]
requests_per_minute = 100000
"""


@dataclass(frozen=True)
class Shop:
    """The gateway, its database, and two people."""

    daemon: Daemon
    file: Path
    dev: Person
    boss: Person


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "files").mkdir()
    (folder / "files" / "a.log").write_text("x\n")
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.executescript(TABLES)
        for n in range(30):
            values = (n, f"CANARY{n}@x.org", f"CANARYname{n}", f"CANARYref{n}@y.org", f"+49 30 55512{n:02d}",
                      n % 2, "new", f"note {n}", f"CANARYword{n}")  # fmt: skip
            connection.execute("INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.close()
    grants = ("rows:shop/**", "query:shop/**", "!rows:shop/main/customer.status", "template.run:*", "template.edit:*",
              "files.list:logs/**", "!files.read:logs/secret/**", "files.read:logs/**")  # fmt: skip
    parts = [sqlite_provider("shop", folder / "shop.db"), volume("logs", folder / "files"), POLICY]
    body = "\n".join([*parts, role("dev", *grants), role("boss", "rows:**", "raw:shop/main/customer.courriel")])
    with running(Daemon(folder, body)) as daemon:
        dev, boss = daemon.add_person("dev@example.org", "dev"), daemon.add_person("boss@example.org", "boss")
        yield Shop(daemon, folder / "shop.db", dev, boss)


def test_a_scan_prints_a_fragment_that_loads_and_never_a_value(shop: Shop, tmp_path: Path) -> None:
    ran = shop.daemon.hfitd("policy", "scan", "shop")
    assert ran.code == 0, ran.err
    assert "CANARY" not in ran.out and "55512" not in ran.out
    assert "# e-mail address, high: 30 of 30 sampled values are of this form: e-mail address" in ran.out
    assert 'columns = "shop/main/customer.ref"\nmask = "email"' in ran.out
    assert 'columns = "shop/main/customer.odd%2Ename%2Fx"\nmask = "phone"' in ran.out
    assert "#   shop/main/customer.nachname: person_name" in ran.out
    assert "#   shop/main/customer.notes" in ran.out
    config = tmp_path / "config.toml"
    parts = ['[server]\ndata_dir = "data"\ninsecure = ["secrets"]', sqlite_provider("shop", shop.file), ran.out]
    config.write_text("\n".join(parts), "utf-8")
    loaded = load_config(config, {})
    assert {glob for mask in loaded.policy.mask for glob in mask.columns} == {
        "shop/main/customer.ref", "shop/main/customer.odd%2Ename%2Fx",
    }  # fmt: skip
    cleared = re.sub(r"(?m)^# (\[\[policy\.clear\]\]|columns = \[|  \"|\])", r"\1", ran.out)
    config.write_text("\n".join([*parts[:2], cleared]), "utf-8")
    assert "shop/main/customer.tenant" in load_config(config, {}).policy.clear


def test_a_scan_as_json_names_every_column_and_new_only_those_without_a_class(shop: Shop) -> None:
    ran = shop.daemon.hfitd("policy", "scan", "shop", "--json")
    assert ran.code == 0, ran.err
    assert "CANARY" not in ran.out
    columns = {item["column"].rpartition("/")[2]: item for item in json.loads(ran.out)["columns"]}
    assert columns["customer.nachname"]["status"] == "masked"
    assert columns["customer.notes"]["status"] == "cleared"
    assert columns["customer.ref"] | {"reason": ""} == {
        "column": "shop/main/customer.ref", "type": "varchar(60)", "status": "proposed", "mask": "email",
        "class": "e-mail address", "confidence": "high", "reason": "",
    }  # fmt: skip
    assert columns["everybody.c"]["status"] == "look"
    new = json.loads(shop.daemon.hfitd("policy", "scan", "shop", "--json", "--new").out)["columns"]
    assert {item["status"] for item in new} == {"proposed", "harmless", "look"}


def test_a_scan_of_nothing_is_not_found_and_a_scan_is_on_record(shop: Shop) -> None:
    ran = shop.daemon.hfitd("policy", "scan", "nope")
    assert (ran.code, ran.out) == (4, "")
    assert "There is no such provider." in ran.err and "shop" in ran.err
    records = [record for record in shop.daemon.audit_records() if record.get("action") == "admin.policy.scan"]
    assert records and "shop" in str(records)
    assert "CANARY" not in str(records)


def test_explain_names_the_line_the_class_the_mask_and_the_fence_of_every_column(shop: Shop) -> None:
    ran = shop.daemon.hfitd("policy", "explain", "dev@example.org", "shop/main/customer")
    assert ran.code == 0, ran.err
    assert "role dev grants it: rows:shop/**" in ran.out
    assert "column courriel: masked: email" in ran.out
    assert "class    mask email: policy.mask shop/main/customer.courriel" in ran.out
    assert "column status: absent\n  granted  role dev denies it: !rows:shop/main/customer.status" in ran.out
    assert "column secret_word: absent" in ran.out and "its mask is drop" in ran.out
    assert "column notes: as it is" in ran.out and "clear: policy.clear shop/main/customer.notes" in ran.out
    assert "rows of role dev: (tenant = 1)" in ran.out
    assert "CANARY" not in ran.out


def test_explain_of_one_column_says_whether_raw_lifts_the_mask(shop: Shop) -> None:
    document = json.loads(
        shop.daemon.hfitd("policy", "explain", "boss@example.org", "shop/main/customer.courriel", "--json").out
    )
    (column,) = document["columns"]
    assert column["shown"] == "as it is"
    assert column["raw"] == "role boss grants it: raw:shop/main/customer.courriel"
    assert [item["action"] for item in document["decisions"]] == ["rows", "query", "ddl", "raw"]
    assert document["row_filters"] == ["role boss: every row"]


def test_explain_knows_files_templates_and_what_is_not_there(shop: Shop) -> None:
    files = json.loads(shop.daemon.hfitd("policy", "explain", "dev@example.org", "logs/secret/a", "--json").out)
    assert {item["action"]: item["allowed"] for item in files["decisions"]} == {"files.list": True, "files.read": False}
    template = shop.daemon.hfitd("policy", "explain", "dev@example.org", "some-case", "--action", "template.run")
    assert "template.run     yes  role dev grants it: template.run:*" in template.out
    missing = shop.daemon.hfitd("policy", "explain", "dev@example.org", "shop/main/nope")
    assert missing.code == 0 and "There is no such table" in missing.out
    assert shop.daemon.hfitd("policy", "explain", "no@example.org", "shop/main/customer").code == 4
    assert shop.daemon.hfitd("policy", "explain", "dev@example.org", "shop/main/customer", "--action", "x").code == 1
    view = shop.daemon.hfitd("policy", "explain", "dev@example.org", "shop/main/everybody")
    assert "fenced or denied" in view.out


async def test_a_new_column_that_looks_personal_is_refused_at_once_naming_it(shop: Shop) -> None:
    api = Api(shop.daemon, shop.boss)
    path = "/db/shop/main/customer/rows?limit=1"
    assert (await api.get(path)).status == 200
    with sqlite3.connect(shop.file) as connection:
        connection.execute("ALTER TABLE customer ADD email text DEFAULT 'CANARY@new.org'")
    connection.close()
    try:
        refused = await api.get(path)
        assert (refused.status, refused.code) == (403, "COLUMN_UNCLASSIFIED")
        assert "email" in refused.json["message"] and refused.json["resource"] == "main.customer.email"
        assert b"CANARY" not in refused.body
        described = await api.get("/db/shop/main/customer")
        assert {c["name"]: c["mask"] for c in described.json["columns"]}["email"] == "unclassified"
        ran = shop.daemon.hfitd("policy", "scan", "shop", "--new")
        assert 'columns = "shop/main/customer.email"' in ran.out
    finally:
        with sqlite3.connect(shop.file) as connection:
            connection.execute("ALTER TABLE customer DROP COLUMN email")
        connection.close()


async def test_who_sees_some_rows_only_learns_no_size(shop: Shop) -> None:
    assert (await Api(shop.daemon, shop.dev).get("/db/shop/main/customer")).json["estimated_rows"] is None
    assert (await Api(shop.daemon, shop.boss).get("/db/shop/main/customer")).json["estimated_rows"] is not None


GUESSES = """hfitVersion: 1
templateName: guesses
packageName: guesses
parameters:
  mail: {type: text, required: true}
exports:
  a.ndjson: {type: table-data, data: {dbms: shop, table: customer, filter: "courriel = ${mail}"}}
  b.sql: {type: subset, data: {dbms: shop, roots: [{table: customer, where: "courriel IN (${mail})"}], children: all}}
"""


async def test_an_equality_that_the_owner_allows_finds_the_person_and_is_on_record(shop: Shop) -> None:
    api = Api(shop.daemon, shop.dev)
    found = await api.get("/db/shop/main/customer/rows?filter=courriel%3D'CANARY3@x.org'")
    assert found.status == 200, found.body
    row, _ = map(json.loads, found.body.splitlines())
    assert row["id"] == 3 and "CANARY" not in row["courriel"]
    fenced = await api.get("/db/shop/main/customer/rows?filter=courriel%3D'CANARY2@x.org'")
    assert len(fenced.body.splitlines()) == 1, "the other tenant's"
    assert (await api.put_template(GUESSES)).status == 201
    package = await api.package("guesses", "CANARY3@x.org", compression="none")
    assert package.status == 200, package.body
    assert b'"id":3,' in package.body.replace(b" ", b"")
    asked = [r for r in shop.daemon.audit_records() if "guessed" in r.get("details", {})]
    records = [record for record in asked if "customer.courriel" in record["details"]["guessed"]]
    assert {record["action"] for record in records} >= {"rows", "package.build"}
    assert "CANARY3" not in json.dumps(shop.daemon.audit_records())


@pytest.mark.parametrize(
    "question",
    [
        "courriel <> 'CANARY3@x.org'", "courriel LIKE 'CANARY3%'", "courriel > 'CANARY3'", "courriel IS NOT NULL",
        "courriel BETWEEN 'a' AND 'z'", "courriel = ref", "NOT (courriel = 'CANARY3@x.org')",
        "courriel NOT IN ('CANARY3@x.org')", "nachname = 'CANARYname3'", "nachname IN ('CANARYname3')",
    ],
)  # fmt: skip
async def test_s22_nothing_but_equality_with_a_value_is_allowed(shop: Shop, question: str) -> None:
    answer = await Api(shop.daemon, shop.dev).get(f"/db/shop/main/customer/rows?filter={quote(question)}")
    assert (answer.status, answer.code) == (400, "FILTER_ON_MASKED"), answer.body
    ordered = await Api(shop.daemon, shop.dev).get("/db/shop/main/customer/rows?order=courriel")
    assert ordered.code == "FILTER_ON_MASKED"


async def test_s22_a_free_query_still_sees_nothing_of_it(shop: Shop) -> None:
    api = Api(shop.daemon, shop.dev)
    query = "SELECT id FROM customer WHERE courriel = 'CANARY3@x.org' OR courriel IS NOT NULL"
    text = GUESSES[: GUESSES.index("  b.sql")].replace("guesses", "free")
    text = text[: text.index("  a.nd")] + f'  a.csv: {{type: database, provider: shop, query: "{query}"}}\n'
    assert (await api.put_template(text)).status == 201
    answer = await api.package("free", "x", compression="none")
    assert answer.status == 200, answer.body
    assert b"\r\n3\r\n" not in answer.body
