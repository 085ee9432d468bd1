"""Who may see what, over HTTP: what is not granted looks like what is not there, and ids are no keys."""

from __future__ import annotations

import json

import pytest

from hfitd.web.routes import ROUTES
from hfitd.web.table import Guard
from tests.live.daemon import Person
from tests.live.world import World
from tests.support.http import Answer, Api

PRIVATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  customer.ndjson: {{type: table-data, data: {{dbms: shop_pg, table: public.customer}}}}
"""


@pytest.fixture(scope="module")
async def private(world: World) -> str:
    """A template of dev that nobody else was given, and a package of it; the package's id."""
    api = Api(world.daemon, world.dev)
    assert (await api.put_template(PRIVATE.format(name="private-case"))).status == 201
    return (await api.package("private-case")).headers["X-Hfit-Package"]


def shape(answer: Answer, *names: str) -> object:
    """An answer without what may differ: names that the caller sent, times and ids."""
    text = answer.body.decode()
    for name in names:
        text = text.replace(name, "NAME")
    document = json.loads(text) if text else {}
    for key in ("timestamp", "request_id"):
        document.pop(key, None)
    kept = {key for key in answer.headers if key not in {"Date", "X-Request-Id", "Content-Length"}}
    return answer.status, document, sorted(kept - {"X-RateLimit-Remaining", "X-RateLimit-Reset"})


PLACES = [
    ("/db/{}/dbs", "music", "no_such"),
    ("/db/{}/main/tables", "music", "no_such"),
    ("/db/{}/sakila/tables", "shop_my", "no_such"),
    ("/db/shop_pg/sakila/{}", "public.payment", "public.no_such"),
    ("/db/shop_pg/sakila/{}/rows", "public.payment", "public.no_such"),
    ("/db/shop_my/sakila/{}/rows", "customer", "no_such"),
    ("/db/shop_pg/sakila/public.customer/rows?filter={}%3D1", "active", "no_such"),
    ("/db/shop_pg/sakila/public.customer/rows?order={}", "active", "no_such"),
    ("/files/{}", "app_logs", "no_such"),
    ("/files/{}/download?path=case_42_0001.txt", "app_logs", "no_such"),
    ("/packtmpl/{}", "private-case", "no-such-case"),
    ("/packtmpl/dev@example.org:{}", "private-case", "no-such-case"),
]


@pytest.mark.parametrize(("place", "there", "missing"), PLACES)
async def test_what_is_not_granted_answers_like_what_is_not_there(
    world: World, private: str, place: str, there: str, missing: str
) -> None:
    guest = Api(world.daemon, world.guest)
    answers = [await guest.get(place.format(name)) for name in (there, missing)]
    assert shape(answers[0], there) == shape(answers[1], missing)
    assert answers[0].status in {400, 404}
    assert (await Api(world.daemon, world.dev).get(place.format(there))).status == 200


@pytest.mark.parametrize(
    ("export", "there", "missing"),
    [
        ("type: table-data, data: {dbms: shop_pg, table: %s}", "public.payment", "public.no_such"),
        ("type: table-data, data: {dbms: %s, table: customer}", "shop_my", "no_such"),
        ("type: database, provider: shop_pg, query: 'SELECT * FROM %s'", "payment", "no_such"),
        ("type: database, provider: shop_pg, query: 'SELECT %s FROM customer'", "active", "no_such"),
        ("type: file, data: {volume: %s, path: case_42_0001.txt}", "app_logs", "no_such"),
    ],
)
async def test_t14_a_template_on_what_is_not_granted_fails_whole_and_like_one_on_nothing(
    world: World, export: str, there: str, missing: str
) -> None:
    guest = Api(world.daemon, world.guest)
    answers = []
    for number, name in enumerate((there, missing)):
        text = PRIVATE.format(name=f"probe-{abs(hash(export)) % 10**6}-{number}") + f"  x.csv: {{{export % name}}}\n"
        kept = await guest.put_template(text)
        answers += [kept] if kept.status != 201 else [await guest.package(kept.json["name"])]
    assert shape(answers[0], there) == shape(answers[1], missing)
    assert answers[0].code in {"EXPORT_REFUSED", "TEMPLATE_INVALID"}


async def test_t13_a_shared_template_runs_with_the_rights_of_who_runs_it(world: World, private: str) -> None:
    dev, guest = Api(world.daemon, world.dev), Api(world.daemon, world.guest)
    assert (await dev.put_template(PRIVATE.format(name="shared-case"))).status == 201
    assert (await guest.package("shared-case")).status == 404
    assert (await dev.request("POST", "/packtmpl/shared-case/share")).status == 200
    mine, theirs = await dev.package("shared-case", compression="none"), await guest.package("shared-case")
    assert b'"active"' in mine.body
    # A denied column is left out or the export refused; never served.
    assert theirs.status == 403 or b'"active"' not in theirs.body


def fill(path: str, package: str) -> str:
    """A concrete path for a pattern of the route table."""
    values = {
        "provider": "shop_pg", "db": "sakila", "table": "public.payment", "volume": "app_logs",
        "name": "private-case", "id": package, "file": "docs.js",
    }  # fmt: skip
    return path.format(**values)


async def call(world: World, person: Person | None, route_number: int, package: str) -> Answer:
    """One route of the table as this person, with a plausible request."""
    route = ROUTES[route_number]
    path, options = "/" + fill(route.path, package), {}
    if route.path.endswith("/download"):
        path += "?path=case_42_0001.txt"
    if isinstance(route.request, str):
        text = PRIVATE.format(name="private-case" if "{name}" in route.path else "another-case")
        options = {"data": text.encode(), "headers": {"Content-Type": route.request}}
    elif route.request is not None:
        options = {"json": {"template_name": "private-case"}}
    return await Api(world.daemon, person).request(route.method, path, **options)


GUARDED = [number for number, route in enumerate(ROUTES) if route.guard is Guard.TOKEN]


@pytest.mark.parametrize("number", GUARDED, ids=[f"{ROUTES[n].method} {ROUTES[n].path}" for n in GUARDED])
async def test_no_route_gives_anything_to_somebody_without_token_or_grants(
    world: World, private: str, number: int
) -> None:
    route = ROUTES[number]
    stranger = await call(world, None, number, private)
    assert stranger.status == 401
    assert stranger.headers["WWW-Authenticate"] == "Bearer"
    if route.path.endswith(("/auth/logout", "/auth/console-ticket")):  # about nothing but oneself
        return
    answer = await call(world, world.nobody, number, private)
    if "{" in route.path or route.method != "GET" or route.path.endswith("/audit"):
        assert answer.status in {400, 403, 404} or route.path.endswith("bundle"), answer.body
        assert answer.status >= 400
    else:
        assert answer.status == 200
        assert answer.json == [] or route.path.endswith("whoami")


@pytest.mark.parametrize("suffix", ["", "/events"])
async def test_a_package_id_answers_only_to_who_obtained_it(world: World, private: str, suffix: str) -> None:
    path = f"/packages/{private}{suffix}"
    assert (await Api(world.daemon, world.dev).get(path)).status == 200
    for person in (world.peer, world.guest, world.nobody):  # peer has the very same roles
        api = Api(world.daemon, person)
        foreign, missing = await api.get(path), await api.get(f"/packages/{'x' * 24}{suffix}")
        assert shape(foreign, private) == shape(missing, "x" * 24)
        assert foreign.status == 404
    assert (await Api(world.daemon, world.peer).request("HEAD", f"/packages/{private}")).status == 404


async def test_nobody_changes_or_removes_the_template_of_another(world: World, private: str) -> None:
    for person in (world.peer, world.guest, world.nobody):
        api = Api(world.daemon, person)
        for name in ("private-case", "dev@example.org:private-case"):
            body = PRIVATE.format(name="private-case").encode()
            headers = {"Content-Type": "application/yaml"}
            changed = await api.request("PUT", f"/packtmpl/{name}", data=body, headers=headers)
            assert changed.status in {403, 404}
            assert (await api.request("DELETE", f"/packtmpl/{name}")).status in {403, 404}
            assert (await api.request("POST", f"/packtmpl/{name}/share")).status in {403, 404}
    assert (await Api(world.daemon, world.dev).get("/packtmpl/private-case")).status == 200


async def test_listings_hold_only_what_is_granted(world: World) -> None:
    guest = Api(world.daemon, world.guest)
    assert (await guest.get("/db/dbmss")).json == ["shop_pg"]
    assert (await guest.get("/db/shop_pg/dbs")).json == ["sakila"]
    assert (await guest.get("/db/shop_pg/sakila/tables")).json == ["public.customer", "public.rental"]
    assert (await guest.get("/volumes")).json == ["docs"]
    columns = (await guest.get("/db/shop_pg/sakila/public.customer")).json["columns"]
    assert "active" not in {column["name"] for column in columns}
    rows = (await guest.get("/db/shop_pg/sakila/public.customer/rows?limit=1")).body
    assert b'"active"' not in rows.splitlines()[0]


async def test_a09_a_revoked_or_disabled_user_is_out_at_once(world: World) -> None:
    daemon = world.daemon
    person = daemon.add_person("short@example.org", "developer")
    assert (await Api(daemon, person).get("/auth/whoami")).status == 200
    daemon.admin("session.revoke", email=person.email)
    assert (await Api(daemon, person).get("/auth/whoami")).code == "TOKEN_INVALID"
    person = daemon.login(person)
    daemon.admin("user.disable", email=person.email)
    assert (await Api(daemon, person).get("/auth/whoami")).code == "TOKEN_INVALID"
    daemon.admin("user.enable", email=person.email)
    person = daemon.login(person)
    assert (await Api(daemon, person).request("POST", "/auth/logout")).status == 204
    assert (await Api(daemon, person).get("/auth/whoami")).code == "TOKEN_INVALID"
    person = daemon.login(person)
    daemon.admin("user.set-roles", email=person.email, roles=["guest"])
    assert (await Api(daemon, person).get("/db/dbmss")).code == "TOKEN_INVALID"
    person = daemon.login(person)
    daemon.admin("user.remove", email=person.email)
    assert (await Api(daemon, person).get("/auth/whoami")).code == "TOKEN_INVALID"
    daemon.admin("user.add", email=person.email, key=person.public_key, roles=["developer"])  # A10
    assert (await Api(daemon, person).get("/auth/whoami")).code == "TOKEN_INVALID"
