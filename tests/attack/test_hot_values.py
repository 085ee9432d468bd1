"""T10: whatever a prepare query finds is a value, a name of one file, or refused, on every engine."""

from __future__ import annotations

import pytest

from tests.attack.conftest import PROVIDERS, Gate
from tests.support.http import Answer

TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
parameters: {{n: {{type: integer}}}}
prepare:
  - {{setVar: v, from: hot-data, hdata: {{type: dbquery, dbms: calm_{provider}, query: "{query}"}}}}
exports:
  {export}
"""
BY_ID = "SELECT v FROM hot WHERE id = ${n}"
EXPORTS = {
    "filter": 'x.csv: {type: database, provider: calm_PROVIDER, query: "SELECT id FROM hot WHERE v = ${v}"}',
    "path": 'x: {type: file, volume: files, path: "${v}"}',
    "glob": 'x: {type: files, volume: files, filters: ["name:${v}"]}',
}


async def package(gate: Gate, provider: str, use: str, number: int, query: str = BY_ID) -> Answer:
    """A package with the value of that row used so."""
    name = f"hot-{provider}-{use}-{number}-{'one' if query == BY_ID else 'many'}"
    export = EXPORTS[use].replace("PROVIDER", provider)
    text = TEMPLATE.format(name=name, provider=provider, query=query, export=export)
    assert (await gate.api.put_template(text)).status == 201
    return await gate.api.package(name, number, compression="none")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_t10_a_value_of_the_database_is_bound_in_a_query(gate: Gate, provider: str) -> None:
    for number in (1, 2, 3, 5):
        answer = await package(gate, provider, "filter", number)
        if provider == "my" and number == 5:  # longer than its max_allowed_packet
            assert (answer.status, answer.code) == (422, "LIMIT_EXCEEDED")
            continue
        assert answer.status == 200, answer.body[:300]
        assert f"id\n{number}\n".encode() in answer.body.replace(b"\r", b"")
    nothing = await package(gate, provider, "filter", 4)  # NULL equals nothing
    assert nothing.status == 200
    assert b"id\n4" not in nothing.body.replace(b"\r", b"")
    assert (await gate.api.get(f"/db/{provider}/{gate.databases[provider]}/hot/rows?filter=id%3D1")).status == 200


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_t10_a_value_of_the_database_is_one_name_of_a_file_or_refused(gate: Gate, provider: str) -> None:
    for number in (1, 2, 4, 5):
        answer = await package(gate, provider, "path", number)
        expected = {"NOT_FOUND", "EXPORT_REFUSED"} if number == 1 else {"PATH_REFUSED"}
        assert answer.code in expected, (number, answer.body[:300])
        assert b"passwd" not in answer.body
        assert b"xxxx" not in answer.body
    for use in ("path", "glob"):  # a file whose name is a star, and no other
        star = await package(gate, provider, use, 3)
        assert (star.status, b"file *" in star.body) == (200, True)
        assert b"file other" not in star.body


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("query", "found"), [(BY_ID, "no row"), (BY_ID.replace("=", "<"), "more than one row")])
async def test_t10_a_prepare_query_needs_exactly_one_row(gate: Gate, provider: str, query: str, found: str) -> None:
    answer = await package(gate, provider, "filter", 99, query)
    assert (answer.status, answer.code) == (422, "PREPARE_NO_ROW")
    assert found in answer.json["message"]
    assert "`v`" in answer.json["message"]
