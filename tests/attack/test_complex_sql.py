"""S30 at a running daemon: SQL that is long, deep or broad, wherever a caller may write some, on every engine."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from tests.live.world import World
from tests.support.http import Answer, Api

PROVIDERS = {"shop_pg": "public.customer", "shop_my": "customer", "music": "Customer"}
KEYS = {"shop_pg": "customer_id", "shop_my": "customer_id", "music": "CustomerId"}
CONDITIONS = {
    "17 KB": "{key} = 1 -- " + "x" * 17_000,
    "a literal of 17 KB": "{key} = '" + "x" * 17_000 + "'",
    "60 parentheses": "(" * 60 + "{key} = 1" + ")" * 60,
    "60 NOTs": "NOT " * 60 + "{key} = 1",
    "4000 ANDs": "{key} = 1" + " AND 1=1" * 4000,
    "10000 ANDs": "{key} = 1" + " AND {key} = 1" * 10_000,
    "an IN list of 7000": "{key} IN (" + "1," * 7000 + "1)",
    "an IN list of 300000": "{key} IN (" + "1," * 300_000 + "1)",
    "a literal of 1 MB": "{key} = '" + "x" * 1_000_000 + "'",
}
FILTERS_ONLY = {"60 NOTs", "an IN list of 7000"}  # a query may have them: they are below 16 KiB and not deep
QUERIES = {
    name: f"SELECT {{key}} FROM {{table}} WHERE {text}" for name, text in CONDITIONS.items() if name not in FILTERS_ONLY
} | {
    "1000 UNIONs": "SELECT 1 AS n" + " UNION SELECT 1" * 1000,
    "2000 UNIONs": "SELECT 1 AS n" + " UNION SELECT 1" * 2000,
    "60 joins": "SELECT 1 AS n FROM {table} t0" + "".join(f", {{table}} t{n}" for n in range(1, 60)),
    "60 sub-selects": "SELECT * FROM (" * 60 + "SELECT 1 AS n" + ") q" * 60,
}
REFUSALS = {"SQL_TOO_COMPLEX", "SQL_REFUSED", "TEMPLATE_INVALID", "TOO_LARGE"}
HEAD = "hfitVersion: 1\ntemplateName: {name}\npackageName: {name}\n"
FREE = HEAD + "exports:\n  x.csv: {{type: database, provider: {provider}, query: {sql}}}\n"
PREPARED = HEAD + (
    "prepare:\n  - {{setVar: n, from: hot-data, hdata: {{type: dbquery, dbms: {provider}, query: {sql}}}}}\n"
    "exports:\n  x.csv: {{type: table-data, data: {{dbms: {provider}, table: {table}, filter: '{key} = 1'}}}}\n"
)
FILTERED = HEAD + (
    "exports:\n  x.csv: {{type: table-data, data: {{dbms: {provider}, table: {table}, filter: {sql}}}}}\n"
)
SUBSET = HEAD + (
    "exports:\n  x.sql: {{type: subset, data: {{dbms: {provider}, roots: [{{table: {table}, where: {sql}}}]}}}}\n"
)
PLACES = {
    "free": (FREE, QUERIES),
    "prepare": (PREPARED, QUERIES),
    "filter": (FILTERED, CONDITIONS),
    "root": (SUBSET, CONDITIONS),
}


async def outcome(api: Api, name: str, text: str) -> Answer:
    """What refuses a template first: keeping it, or using it."""
    kept = await api.put_template(text)
    if kept.status != 201:
        return kept
    planned = await api.post("/packplan", {"template_name": name, "parameters": []})
    answer = await api.package(name)
    assert (planned.status, planned.code) == (answer.status, answer.code)
    return answer


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("place", PLACES)
async def test_s30_sql_beyond_measure_is_refused_wherever_it_stands_and_others_are_served(
    world: World, provider: str, place: str
) -> None:
    api, (form, texts) = Api(world.daemon, world.dev), PLACES[place]
    for number, (what, raw) in enumerate(texts.items()):
        name = f"s30-{place}-{provider.replace('_', '-')}-{number}"
        sql = raw.format(key=KEYS[provider], table=PROVIDERS[provider])
        text = form.format(
            name=name, provider=provider, table=PROVIDERS[provider], key=KEYS[provider], sql='"' + sql + '"'
        )
        refused, alive = await asyncio.gather(outcome(api, name, text), Api(world.daemon).get("//health"))
        assert refused.code in REFUSALS, (what, refused.status, refused.body[:300])
        assert 400 <= refused.status < 500
        assert alive.status == 200
        assert len(refused.body) < 4096
        assert b"xxxx" not in refused.body


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_s30_a_filter_of_rows_keeps_to_the_same_measure(world: World, provider: str) -> None:
    api = Api(world.daemon, world.dev)
    databases = (await api.get(f"/db/{provider}/dbs")).json
    database = next(name for name in databases if name in {"sakila", "main"})
    for what, raw in CONDITIONS.items():
        sql = raw.format(key=KEYS[provider])
        refused = await api.get(f"/db/{provider}/{database}/{PROVIDERS[provider]}/rows?filter={quote(sql)}")
        assert refused.status in {400, 414, 431}, (what, refused.status)
