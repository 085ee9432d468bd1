"""Which rows belong together, asked in ways that would tell what a mask hides."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from tests.attack.conftest import Till
from tests.support.http import Api

HEAD = "hfitVersion: 1\ntemplateName: {name}\npackageName: {name}\nexports:\n{exports}"


async def members(till: Till, name: str, exports: str) -> dict[str, bytes]:
    """The members of a package of these exports, by path."""
    api = Api(till.daemon, till.alice)
    kept = await api.put_template(HEAD.format(name=name, exports=exports))
    assert kept.status == 201, kept.body
    answer = await api.package(name, compression="none")
    assert answer.status == 200, answer.body
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        return {m.name.split("/", 1)[1]: f.read() for m in archive if (f := archive.extractfile(m)) is not None}


@pytest.mark.parametrize("guess", [2, 3])
async def test_s23_counts_of_dangling_rows_say_nothing_of_a_hidden_reference(till: Till, guess: int) -> None:
    found = await members(
        till, f"dangle-{guess}",
        '  r.sql: {type: table-data, data: {dbms: shop, table: rental, filter: "id = 1"}}\n'
        f'  c.sql: {{type: table-data, data: {{dbms: shop, table: customer, filter: "id in (1, {guess})"}}}}\n',
    )  # fmt: skip
    listed = json.loads(found["METADATA/manifest.json"])["members"]
    assert not [member for member in listed if "dangling" in member]


async def test_s23_a_subset_does_not_follow_a_hidden_reference(till: Till) -> None:
    found = await members(
        till, "follow", '  s.sql: {type: subset, data: {dbms: shop, roots: [{table: rental, where: "id = 1"}], '
        "children: none}}\n",
    )  # fmt: skip
    assert b"Ulm" in found["s.sql"]
    assert b"Kiel" not in found["s.sql"]
    assert b"boss_id" not in found["METADATA/graph.json"]


@pytest.mark.parametrize("column", ["email", "ssn", "tenant"])
async def test_s22_a_virtual_key_cannot_ask_for_a_masked_value(till: Till, column: str) -> None:
    value = {"email": "CANARY1@x.org", "ssn": "CANARYssn1", "tenant": "1"}[column]
    export = (
        "  s.sql: {type: subset, data: {dbms: shop, roots: "
        '[{table: customer, where: "id = 1"}], children: none, virtual_keys: [{from: customer.id, to: rental.id, '
        f'when: {{{column}: "{value}"}}}}]}}}}\n'
    )
    if column == "tenant":
        assert b"r1" in (await members(till, f"ask-{column}", export))["s.sql"]
        return
    api = Api(till.daemon, till.alice)
    assert (await api.put_template(HEAD.format(name=f"ask-{column}", exports=export))).status == 201
    answer = await api.package(f"ask-{column}", compression="none")
    assert (answer.status, answer.code) == (422, "TEMPLATE_INVALID")
    assert b"CANARY" not in answer.body
