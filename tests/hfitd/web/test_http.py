"""Attack cases H02 to H11, A11 and A18 against a running daemon, as bytes and as requests."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import re
import tarfile
import textwrap

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from openapi_spec_validator import validate

from hfit.credentials.keys import load_key_file
from hfitd.web.routes import ROUTES
from hfitd.web.table import Guard
from tests.live.world import CASE, World
from tests.support.http import Api, raw_connection, send_raw

ERROR_KEYS = {"category", "code", "message", "resource", "suggestions", "timestamp", "request_id"}
SMUGGLED = {
    "two lengths": b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6",
    "length and chunks": b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked",
    "unknown coding": b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked",
    "blank before colon": b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5",
    "NUL in the path": b"GET /hea\x00lth HTTP/1.1\r\nHost: localhost",
    "NUL in a header": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b",
    "two hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
    "no host": b"GET /health HTTP/1.1\r\nX-A: b",
    "negative length": b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5",
    "signed length": b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5",
    "folded header": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c: d",
    "9 KB header": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 9000,
    "64 KB address": b"GET /health?" + b"a" * 65536 + b" HTTP/1.1\r\nHost: localhost",
    "2000 headers": b"GET /health HTTP/1.1\r\nHost: localhost" + b"".join(b"\r\nX-%d: a" % n for n in range(2000)),
    "absolute address": b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost",
    "tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost",
    "packed chunks": b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked",
    "chunks of chunks": b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked",
    "two equal lengths": b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 2",
    "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost",
    "old protocol": b"GET /health HTTP/1.0",
    "other protocol": b"GET /health HTTP/9.9\r\nHost: localhost",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_h02_h03_a_doubtful_head_gets_one_refusal_and_a_closed_connection(world: World, name: str) -> None:
    follow = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = await send_raw(world.daemon, SMUGGLED[name] + b"\r\n\r\n" + follow, 3.0)
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:200]
    assert answer.count(b"HTTP/1.") == 1
    assert b"package_format" not in answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"aiohttp" not in answer.lower()
    assert b"python" not in head.lower()
    assert set(json.loads(body)) == ERROR_KEYS


async def test_h02_a_huge_chunk_is_refused(world: World) -> None:
    head = (
        b"POST /api/v1/auth/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    for chunk in (b"FFFFFFFFFFFFFFFF1\r\n", b"-1\r\n", b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"):
        answer = await send_raw(world.daemon, head + chunk, 3.0)
        assert b" 200 " not in answer.partition(b"\r\n")[0]
        assert answer.count(b"HTTP/1.") <= 1


async def test_h03_a_hundred_query_keys_are_refused(world: World) -> None:
    query = "&".join(f"k{number}=1" for number in range(100))
    assert (await Api(world.daemon, world.dev).get(f"/volumes?{query}")).status == 400


def fill(path: str) -> str:
    """A concrete path."""
    return "/" + re.sub(r"\{[a-z]+\}", "x", path)


STREAMS = [
    "/db/music/main/Genre/rows", "/files/docs/download?path=big.bin", "/files/docs/download?path=no_such",
    "/files/docs/download?recursive=1", "/db/music/main/no_such/rows", "/files/docs",
    *(fill(route.path) for route in ROUTES if route.method == "GET"),
]  # fmt: skip


@pytest.mark.parametrize("path", STREAMS)
async def test_h04_head_never_has_a_body(world: World, path: str) -> None:
    target = Api(world.daemon).url(path).raw_path_qs
    async with raw_connection(world.daemon) as (reader, writer):
        for method in ("HEAD", "GET"):
            authorization = world.dev.bearer["Authorization"] if method == "HEAD" else "none"
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n"
            writer.write(head.encode())
        first = await reader.readuntil(b"\r\n\r\n")
        assert re.match(rb"HTTP/1.1 (200|404|405) ", first), first
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 ")  # the next head follows at once


async def test_h04_head_says_the_length_of_a_file(world: World) -> None:
    head = await Api(world.daemon, world.dev).request("HEAD", "/files/docs/download?path=big.bin")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "3000000", b"")
    assert head.headers["Accept-Ranges"] == "bytes"


RANGES = [
    ("bytes=0-", 206, (0, 100_000)), ("bytes=0-0", 206, (0, 1)), ("bytes=-1", 206, (99_999, 100_000)),
    ("bytes=99999-", 206, (99_999, 100_000)), ("bytes=10-19", 206, (10, 20)), ("bytes=5-999999", 206, (5, 100_000)),
    ("bytes=-200000", 206, (0, 100_000)), ("bytes=100000-", 416, None), ("bytes=-0", 416, None),
    ("bytes=20-10", 416, None), ("bytes=0-0,5-6", 200, (0, 100_000)),
    ("bytes=" + ",".join(["0-0"] * 1000), 200, (0, 100_000)), ("items=0-1", 200, (0, 100_000)),
    ("bytes=-", 200, (0, 100_000)), ("bytes=a-b", 200, (0, 100_000)), ("bytes=0x1-5", 200, (0, 100_000)),
    ("bytes=" + "9" * 40 + "-", 200, (0, 100_000)),
]  # fmt: skip


@pytest.mark.parametrize(("header", "status", "span"), RANGES, ids=[header[:24] for header, *_ in RANGES])
async def test_h05_one_range_or_all_of_it(
    world: World, header: str, status: int, span: tuple[int, int] | None
) -> None:
    content = (world.daemon.folder / "docs" / "a_42_b.pdf").read_bytes()
    answer = await Api(world.daemon, world.dev).get("/files/docs/download?path=a_42_b.pdf", Range=header)
    assert answer.status == status
    if span is not None:
        assert answer.body == content[slice(*span)]
    else:
        assert answer.code == "RANGE_INVALID"
        assert answer.headers["Content-Range"] == "bytes */100000"


async def test_h05_other_digits_are_no_digits(world: World) -> None:
    target = "/api/v1/files/docs/download?path=a_42_b.pdf"
    bearer = world.dev.bearer["Authorization"]
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {bearer}\r\n"
    answer = await send_raw(world.daemon, head.encode() + "Range: bytes=٠-٩\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 (200|400) ", answer)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip", "x-gzip"])
async def test_h06_no_request_is_decompressed(world: World, coding: str) -> None:
    for api, path in ((Api(world.daemon), "/auth/challenge"), (Api(world.daemon, world.dev), "/packplan")):
        body = gzip.compress(b'{"email": "dev@example.org"}') + gzip.compress(b"") * 100
        headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
        answer = await api.request("POST", path, data=body, headers=headers)
        assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA")


def bundle(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A ``.tar.gz`` of these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data else None)
    return packed.getvalue()


def link(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info, b""


TEMPLATE = CASE.replace("customer-case", "bundled-case").encode()
BUNDLES = {
    "bomb": gzip.compress(bytes(200_000_000), 9),
    "symlink": bundle((tarfile.TarInfo("a.yaml"), TEMPLATE), link("b.yaml", tarfile.SYMTYPE)),
    "hard link": bundle((tarfile.TarInfo("a.yaml"), TEMPLATE), link("b.yaml", tarfile.LNKTYPE)),
    "device": bundle((tarfile.TarInfo("a.yaml"), TEMPLATE), link("b.yaml", tarfile.CHRTYPE)),
    "way out": bundle((tarfile.TarInfo("../a.yaml"), TEMPLATE)),
    "twice": bundle((tarfile.TarInfo("a.yaml"), TEMPLATE), (tarfile.TarInfo("a.yaml"), TEMPLATE)),
    "nested": bundle((tarfile.TarInfo("a.tar.gz"), bundle((tarfile.TarInfo("a.yaml"), TEMPLATE)))),
    "one bad": bundle((tarfile.TarInfo("a.yaml"), TEMPLATE), (tarfile.TarInfo("b.yaml"), b"exports: [")),
    "no archive": b"hello",
    "too large": bytes(5_000_000),
}


@pytest.mark.parametrize("name", BUNDLES)
async def test_h07_a_hostile_bundle_is_refused_whole(world: World, name: str) -> None:
    api = Api(world.daemon, world.dev)
    headers = {"Content-Type": "application/gzip"}
    answer = await api.request("POST", "/packtmpl-bundle", data=io.BytesIO(BUNDLES[name]), headers=headers)
    assert answer.code in {"TOO_LARGE", "TEMPLATE_INVALID"}
    assert (await api.get("/packtmpl/bundled-case")).status == 404


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
async def test_h09_no_other_site_is_let_in(world: World, method: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await Api(world.daemon, world.dev).request(method, "/auth/whoami", headers=headers)
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8765", "", "127.1", "1"]
)
async def test_h09_another_host_name_is_not_served(world: World, host: str) -> None:
    for path in ("//health", "/auth/whoami"):
        answer = await Api(world.daemon, world.dev).get(path, Host=host)
        assert answer.status == 400


@pytest.mark.parametrize("host", ["10.0.0.11:8765", "192.0.2.7", "[2001:db8::1]:8765"])
async def test_h09_the_process_is_asked_by_any_address_and_data_by_none(world: World, host: str) -> None:
    """Supervisors and scrapers use a pod's address. It is no name, so no DNS can make it mean this machine."""
    for path in ("//health", "//ready", "//metrics"):
        assert (await Api(world.daemon).get(path, Host=host)).status == 200
    for path in ("/auth/whoami", "/package-keys", "//.well-known/jwks.json"):
        assert (await Api(world.daemon, world.dev).get(path, Host=host)).status == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]", "[::1]:8765"])
async def test_h09_this_machine_is_served_by_every_name(world: World, host: str) -> None:
    assert (await Api(world.daemon).get("//health", Host=host)).status == 200


async def test_h09_a_forged_forwarding_header_changes_no_address(world: World) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
    assert (await Api(world.daemon, world.dev).get("/files/docs", **forged)).status == 200
    records = [record for record in world.daemon.audit_records() if record.get("action") == "files.list"]
    assert {record["address"] for record in records} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "?_method", "?method"]
)
async def test_h09_the_method_cannot_be_overridden(world: World, name: str) -> None:
    api, place = Api(world.daemon, world.dev), "/packtmpl/overridden"
    await api.put_template(CASE.replace("customer-case", "overridden"))
    path, headers = (f"{place}{name}=DELETE", {}) if name.startswith("?") else (place, {name: "DELETE"})
    for method in ("GET", "POST"):
        await api.request(method, path, headers=headers)
    assert (await api.get(place)).status == 200  # it is still there
    for odd in ("TRACE", "PROPFIND", "get"):
        head = f"{odd} /api/v1{place} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert re.match(rb"HTTP/1\.[01] 40[015] ", await send_raw(world.daemon, head.encode()))


@pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.path}" for route in ROUTES])
async def test_h11_only_the_public_routes_answer_without_a_token(world: World, route: object) -> None:
    assert isinstance(route, type(ROUTES[0]))
    answer = await Api(world.daemon).request(route.method, fill(route.path))
    public = {
        "/health", "/ready", "/version", "/docs", "/docs/{file}", "/openapi.json", "/.well-known/jwks.json",
        "/api/v1/auth/challenge", "/api/v1/auth/login", "/api/v1/package-keys", "/metrics",
    }  # fmt: skip
    assert (route.path in public) == (route.guard is not Guard.TOKEN)
    assert (answer.status == 401) == (route.path not in public)
    if answer.status == 401 and route.method != "HEAD":
        assert set(answer.json) == ERROR_KEYS


ODD_PATHS = [
    "//nowhere", "/nowhere", "/auth/../db/dbmss", "//api/v1//db/dbmss", "//api/v1/DB/dbmss", "/db/dbmss.",
    "/db/dbmss/", "/db/%2e%2e/dbs", "//health/../api/v1/volumes", "/auth/challenge/", "//HEALTH", "///db/dbmss",
    "//db/dbmss", "//api/v2/db/dbmss", "/auth/%2e%2e/db/dbmss", "/auth/..%2fdb/dbmss", "/auth/login/../../db/dbmss",
    "/Db/dbmss", "/db/dbmss;x=1", "/db/dbmss%20", "/db/dbmss%00", "/db/dbmss%2f", "//api/v1./db/dbmss",
    "//.well-known/../api/v1/volumes", "//docs/../api/v1/volumes", "//docs/%2e%2e%2fapi/v1/volumes", "/db\\dbmss",
]  # fmt: skip


@pytest.mark.parametrize("path", ODD_PATHS)
async def test_h11_odd_paths_reach_nothing_without_a_token(world: World, path: str) -> None:
    assert (await Api(world.daemon).get(path)).status == 401
    assert (await Api(world.daemon, world.dev).get(path)).status == 404


async def test_h11_a_wrong_method_needs_a_token_too_and_is_said_to_be_wrong(world: World) -> None:
    known = {(route.method, route.path) for route in ROUTES}
    for path in {route.path for route in ROUTES}:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            if (method, path) not in known:
                assert (await Api(world.daemon).request(method, fill(path))).status == 401, (method, path)
                refused = await Api(world.daemon, world.dev).request(method, fill(path))
                assert (refused.status, refused.code) == (405, "METHOD_NOT_ALLOWED"), (method, path)


async def test_a03_nobody_is_asked_for_the_key_that_a_token_names(world: World) -> None:
    asked: list[str] = []
    listener = await asyncio.start_server(lambda *_: asked.append("a connection"), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/keys"
    own, (header, payload, _) = Ed25519PrivateKey.generate(), world.dev.token.split(".")
    public = encoded(own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    old = json.loads(base64.urlsafe_b64decode(header + "=="))
    for extra in ({"jku": url}, {"x5u": url}, {"kid": url}, {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": public}}):
        text = f"{encoded(json.dumps(old | extra).encode())}.{payload}"
        token = f"{text}.{encoded(own.sign(text.encode()))}"
        refused = await Api(world.daemon).get("/auth/whoami", Authorization=f"Bearer {token}")
        assert (refused.status, refused.code) == (401, "TOKEN_INVALID")
    listener.close()
    assert asked == []


def encoded(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def test_a14_a15_a_login_with_another_signature_fails_and_is_no_error_of_the_daemons(world: World) -> None:
    api, before = Api(world.daemon), len(world.daemon.log.read_bytes())
    nonce = (await api.post("/auth/challenge", {"email": world.dev.email})).json["nonce"]
    good = world.daemon.signed_login(world.dev, nonce)
    blob = base64.b64decode("".join(str(good["signature"]).split("\n")[1:-2]))
    raw = load_key_file(world.dev.key, lambda _: None).sign(b"hfit-login-v1\n")
    damaged = [blob[:cut] for cut in range(0, len(blob), 7)] + [blob + b"\0", blob.replace(b"SSHSIG", b"SSHSIH"), raw]
    answers = []
    for one in damaged:
        lines = "\n".join(textwrap.wrap(base64.b64encode(one).decode(), 70))
        text = f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n"
        nonce = (await api.post("/auth/challenge", {"email": world.dev.email})).json["nonce"]
        answers.append(await api.post("/auth/login", {**good, "nonce": nonce, "signature": text}))
    assert {(a.status, a.code, len(a.body)) for a in answers} == {(401, "AUTH_FAILED", len(answers[0].body))}
    said = world.daemon.log.read_bytes()[before:].decode()
    assert not re.search(r"Traceback|error_raised|\b(WARNING|ERROR|CRITICAL)\b", said), said[-2000:]


async def test_a11_only_one_exact_bearer_header_counts(world: World) -> None:
    token, url = world.dev.token, "/auth/whoami"
    nobody = Api(world.daemon)
    for value in (f"bearer {token}", f"Bearer  {token}", f"Bearer {token},x", token, f"Basic {token}"):
        assert (await nobody.get(url, Authorization=value)).status == 401
    assert (await nobody.get(f"{url}?token={token}&access_token={token}")).status == 401
    assert (await nobody.get(url, Cookie=f"token={token}; Authorization=Bearer {token}")).status == 401
    assert (await nobody.get(url, **{"X-User": "dev@example.org", "X-Remote-User": "dev@example.org"})).status == 401
    twice = f"GET /api/v1{url} HTTP/1.1\r\nHost: localhost\r\n" + f"Authorization: Bearer {token}\r\n" * 2 + "\r\n"
    assert (await send_raw(world.daemon, twice.encode(), 1.0)).startswith((b"HTTP/1.1 401", b"HTTP/1.1 400"))
    headers = {"X-User": "admin@example.org"}
    assert (await Api(world.daemon, world.dev).get(url, **headers)).json["email"] == "dev@example.org"


async def test_a18_known_and_unknown_people_get_answers_of_one_shape(world: World) -> None:
    api = Api(world.daemon)
    challenges = [await api.post("/auth/challenge", {"email": e}) for e in ("dev@example.org", "who@example.org")]
    shapes = {(a.status, tuple(sorted(a.json)), len(a.json["nonce"]), len(a.body)) for a in challenges}
    assert len(shapes) == 1
    refused = []
    for answer, email in zip(challenges, ("dev@example.org", "who@example.org"), strict=True):
        body = world.daemon.signed_login(world.peer, answer.json["nonce"]) | {"email": email}
        refused.append(await api.post("/auth/login", body))
    documents = [{**answer.json, "timestamp": "", "request_id": ""} for answer in refused]
    assert documents[0] == documents[1]
    assert [answer.status for answer in refused] == [401, 401]


async def test_the_document_is_valid_and_has_every_route_once(world: World) -> None:
    document = (await Api(world.daemon).get("//openapi.json")).json
    validate(document)
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }  # fmt: skip
    assert described == {(route.method, route.path) for route in ROUTES}
    assert len({op["operationId"] for ops in document["paths"].values() for op in ops.values()}) == len(ROUTES)


async def test_the_documentation_page_needs_no_other_server(world: World) -> None:
    api = Api(world.daemon)
    page = await api.get("//docs")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    parts = re.findall(rb'(?:src|href)="([^"]*)"', page.body)
    assert len(parts) >= 3
    for part in parts:
        assert part.startswith(b"/docs/")
        assert (await api.get("/" + part.decode())).status == 200
    assert (await api.get("//docs/..%2f..%2fserver.py")).status in {400, 401, 404}


async def test_h10_no_header_names_a_version(world: World) -> None:
    for path in ("//health", "/nowhere", "/db/dbmss", "/db/music/main/Genre/rows", "/files/docs/download?path=big.bin"):
        answer = await Api(world.daemon, world.dev).get(path)
        assert answer.headers.get("Server", "hfitd") == "hfitd"
        assert "X-Powered-By" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
