"""A18: who tries names at the door learns nothing of them, whatever they spell and however often they ask."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.live.daemon import Daemon, Person, running
from tests.live.world import small_config
from tests.support.http import Answer, Api, send_raw

PEOPLE = 300
SPELLED = ("Known7@example.org ", "known7@example.org\n", "known7@example.org\0", "\u043anown7@example.org")
ODD = [*SPELLED, "*", "", "x" * 300]
DIFFERS = {"date", "x-request-id"}


@pytest.fixture(scope="module")
def crowded(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Person]]:
    """A daemon with three hundred users behind a proxy, and one of them with a key and a token."""
    folder = tmp_path_factory.mktemp("crowded")
    (folder / "files").mkdir()
    daemon = Daemon(folder, small_config(folder, chinook_sqlite), {"trusted_proxies": '["127.0.0.0/8"]'})
    with running(daemon):
        for number in range(PEOPLE):
            key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            daemon.admin("user.add", email=f"known{number}@example.org", key=key.decode(), roles=["developer"])
        yield daemon, daemon.add_person("me@example.org", "developer")


def shape(answer: Answer) -> tuple[object, ...]:
    """Everything of an answer that could tell something: what it says, and how long it is."""
    document = {**answer.json, "timestamp": "", "request_id": "", "nonce": len(answer.json.get("nonce", ""))}
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in DIFFERS}
    return answer.status, str(sorted(document.items())), len(answer.body), str(sorted(headers.items()))


async def test_a18_challenges_and_refusals_are_alike_for_every_name(crowded: tuple[Daemon, Person]) -> None:
    daemon, me = crowded
    api = Api(daemon)
    names = [f"{kind}{number}@example.org" for number in range(PEOPLE) for kind in ("known", "other")] + ODD

    async def knock(place: int, name: str) -> tuple[object, object]:
        address = {"X-Forwarded-For": f"10.1.{place // 250}.{place % 250}"}
        challenge = await api.post("/auth/challenge", {"email": name}, **address)
        body = daemon.signed_login(me, challenge.json["nonce"]) | {"email": name}
        return shape(challenge), shape(await api.post("/auth/login", body, **address))

    seen: set[tuple[object, object]] = set()
    for start in range(0, len(names), 20):
        batch = enumerate(names[start : start + 20], start)
        seen |= set(await asyncio.gather(*(knock(place, name) for place, name in batch)))
    assert len(seen) == 1, seen
    ((issued, refused),) = seen
    assert isinstance(issued, tuple)
    assert isinstance(refused, tuple)
    assert (issued[0], refused[0]) == (200, 401)


FORWARDED = {
    "as the proxy says": ("X-Forwarded-For: 203.0.113.7", "203.0.113.7"),
    "after what the client claims": ("X-Forwarded-For: 198.51.100.1, 203.0.113.7", "203.0.113.7"),
    "in a line below the client's": ("X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7", "203.0.113.7"),
    "through two proxies": ("X-Forwarded-For: 198.51.100.1, 203.0.113.7, 127.0.0.9", "203.0.113.7"),
    "with its port": ("X-Forwarded-For: 203.0.113.7:4711", "203.0.113.7"),
    "of the new kind with its port": ("X-Forwarded-For: [2001:db8::7]:4711", "2001:db8::7"),
    "by other headers": ("Forwarded: for=203.0.113.7\r\nX-Real-IP: 203.0.113.7", "127.0.0.1"),
    "as no address": ("X-Forwarded-For: 203.0.113.7, <script>", "127.0.0.1"),
    "as nothing": ("X-Forwarded-For: , ,", "127.0.0.1"),
}


@pytest.mark.parametrize("how", FORWARDED)
async def test_h09_the_address_of_a_caller_is_what_the_nearest_proxy_says(
    crowded: tuple[Daemon, Person], how: str
) -> None:
    daemon, me = crowded
    lines, address = FORWARDED[how]
    head = f"GET /api/v1/auth/whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: {me.bearer['Authorization']}\r\n"
    answer = await send_raw(daemon, f"{head}Connection: close\r\n{lines}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    recorded = [record["address"] for record in daemon.audit_records() if record.get("action") == "whoami"]
    assert recorded[-1] == address


async def test_a18_a_flood_from_one_place_is_stopped_and_the_real_user_comes_in_from_another(
    crowded: tuple[Daemon, Person],
) -> None:
    daemon, me = crowded
    api, flood = Api(daemon), {"X-Forwarded-For": "10.9.9.9"}
    forged = {
        "email": me.email,
        "nonce": "A" * 43,
        "public_key": me.public_key,
        "signature": base64.b64encode(b"x" * 90).decode(),
    }
    statuses: list[int] = []
    while 429 not in statuses:  # 300 a minute, which refill evenly
        assert len(statuses) < 5000, "nothing stops it"
        asked = (api.post("/auth/challenge", {"email": me.email}, **flood) for _ in range(50))
        statuses += [answer.status for answer in await asyncio.gather(*asked)]
    assert set(statuses) == {200, 429}
    tried = [await api.post("/auth/login", forged, **flood) for _ in range(5)]
    assert {answer.status for answer in tried} <= {401, 429}
    assert (await asyncio.to_thread(daemon.login, me)).token
