"""Packages that hold what their masks should have covered: an alarm in manifest, audit and metrics, or a refusal."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, role, running, sqlite_provider, volume
from tests.support.http import Answer, Api

TABLES = """
CREATE TABLE person (id integer PRIMARY KEY, email text, town text);
CREATE TABLE memo (id integer PRIMARY KEY, body varchar(30));
"""
POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
residual_scan = "{mode}"
[[policy.mask]]
columns = "shop/main/person.email"
mask = "email"
[limits]
requests_per_minute = 100000
"""
LEAKY = """hfitVersion: 1
templateName: leaky
packageName: leaky
exports:
  person.csv: {type: table-data, data: {dbms: shop, table: person}}
  memo.csv: {type: table-data, data: {dbms: shop, table: memo}}
  logs: {type: files, volume: logs, filters: ["name:*"]}
"""
CLEAN = """hfitVersion: 1
templateName: clean
packageName: clean
exports:
  person.csv: {type: table-data, data: {dbms: shop, table: person}}
  person.sql: {type: table-data, data: {dbms: shop, table: person}}
"""


@pytest.fixture(params=["alarm", "refuse", "off"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "app.log").write_text("login of CANARY5@corp.de from +49 30 1234567\n")
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.executescript(TABLES)
        connection.executemany(
            "INSERT INTO person VALUES (?, ?, 'Ulm')", [(number, f"CANARY{number}@corp.de") for number in range(20)]
        )
        connection.execute("INSERT INTO memo VALUES (1, 'ask CANARY7@corp.de'), (2, 'nothing')")
    connection.close()
    parts = [sqlite_provider("shop", tmp_path / "shop.db"), volume("logs", tmp_path / "files")]
    rights = role("dev", "rows:**", "files.read:**", "files.list:**", "template.run:*", "template.edit:*")
    with running(Daemon(tmp_path, "\n".join([*parts, POLICY.format(mode=request.param), rights]))) as running_daemon:
        yield running_daemon


def manifest_of(answer: Answer) -> dict[str, object]:
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        file = archive.extractfile(f"{archive.getnames()[0].split('/')[0]}/METADATA/manifest.json")
        assert file is not None
        document: dict[str, object] = json.load(file)
        return document


async def test_a_leak_is_an_alarm_or_a_refusal_and_never_repeats_the_value(
    daemon: Daemon, request: pytest.FixtureRequest
) -> None:
    mode = request.node.callspec.params["daemon"]
    api = Api(daemon, daemon.add_person("dev@example.org", "dev"))
    for template in (LEAKY, CLEAN):
        assert (await api.put_template(template)).status == 201
    clean = await api.package("clean", compression="none")
    assert clean.status == 200
    assert manifest_of(clean)["alarms"] == []
    leaky = await api.package("leaky", compression="none")
    alarms = [record for record in daemon.audit_records() if record.get("action") == "alarm.residue"]
    metrics = (await api.get("//metrics")).body.decode()
    if mode == "off":
        assert leaky.status == 200
        assert (manifest_of(leaky)["alarms"], alarms) == ([], [])
        return
    (record,) = alarms
    assert record["code"] == "RESIDUE_FOUND"
    assert record["email"] == "dev@example.org"
    assert record["details"]["template"] == "leaky"
    assert "memo.csv: 1 of raw value of shop/main.person.email" in record["details"]["findings"]
    assert "CANARY" not in json.dumps(daemon.audit_records()) + daemon.log.read_text()
    assert 'hfitd_residue_total{kind="raw value"} 2.0' in metrics
    if mode == "refuse":
        assert (leaky.status, leaky.code) == (403, "RESIDUE_FOUND")
        assert b"CANARY" not in leaky.body
        assert record["outcome"] == "refused"
        return
    assert leaky.status == 200
    assert record["outcome"] == "alarm"
    found = manifest_of(leaky)["alarms"]
    column = "shop/main.person.email"
    assert found == [
        {"member": "logs/app.log", "kind": "raw value", "count": 1, "column": column},
        {"member": "logs/app.log", "kind": "e-mail address", "count": 1},
        {"member": "logs/app.log", "kind": "phone number", "count": 1},
        {"member": "memo.csv", "kind": "raw value", "count": 1, "column": column},
        {"member": "memo.csv", "kind": "e-mail address", "count": 1},
    ]
    again = await api.package("leaky", compression="none", refresh=True)
    assert manifest_of(again)["alarms"] == found
