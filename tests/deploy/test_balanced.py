"""Two instances behind the real nginx of ``deploy/proxy``: any of them answers anything, and one may die."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.live import redis
from tests.live.certificates import Certificates
from tests.live.daemon import Daemon, Person, Ran, make_key, redis_store, role, run, running, sqlite_provider, volume
from tests.live.fleet import last_accepted
from tests.live.nginx import PROXY, nginx_config, proxying, put
from tests.live.servers import Server, find_binary, free_port
from tests.support.http import Api

TRUST_SECONDS = 5.0  # within which a revocation is known everywhere
TEMPLATE = """hfitVersion: 1
templateName: invoices
packageName: invoices-${customer}
parameters:
  customer: {type: integer, required: true}
exports:
  case.sql: {type: subset, data: {dbms: music, roots: [{table: Invoice, where: "CustomerId = ${customer}"}]}}
"""


@dataclass(frozen=True)
class Fleet:
    """Two instances that share Redis, keys and packages, and nginx before them."""

    one: Daemon
    two: Daemon
    origin: str
    authority: Path
    nginx: subprocess.Popen[bytes]
    folder: Path

    def hfit(self, person: Person, *arguments: str | Path) -> Ran:
        """``hfit`` as it is used from outside: it knows the load balancer alone."""
        environment = self.one.client_environment(person) | {
            "HFIT_SERVER_URL": self.origin,
            "SSL_CERT_FILE": str(self.authority),
        }
        return run(self.one.client_argv(*arguments), person.folder, environment)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """A GET through nginx."""
        request = urllib.request.Request(self.origin + path, headers=headers)
        context = ssl.create_default_context(cafile=str(self.authority))
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()


@pytest.fixture(scope="module")
def fleet(
    certificates: Certificates, chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The fleet, running."""
    folder, port = tmp_path_factory.mktemp("fleet"), free_port()
    origin = f"https://localhost:{port}"
    (folder / "files").mkdir()
    (folder / "files" / "big.bin").write_bytes(bytes(range(256)) * 8192)
    (folder / "shared").mkdir(mode=0o700)
    with redis.redis() as store:
        instances = [make_instance(folder / name, origin, store, chinook_sqlite) for name in ("one", "two")]
        config = nginx_config(folder, port, certificates, instances)
        with running(instances[0]) as one, running(instances[1]) as two, proxying(config, folder) as nginx:
            yield Fleet(one, two, origin, certificates.authority, nginx, folder)


def make_instance(folder: Path, origin: str, store: Server, music: Path) -> Daemon:
    """One instance; what it shares lies beside its folder."""
    folder.mkdir()
    shared = folder.parent
    body = "\n".join([
        sqlite_provider("music", music), volume("files", shared / "files"), redis_store(store),
        f'[artifacts]\nurl = "file:{shared}/shared"',
        role("developer", "rows:**", "files.read:**", "template.run:*", "template.edit:*"),
        '[[policy.clear]]\ncolumns = ["*/*/*.*"]',
    ])  # fmt: skip
    return Daemon(folder, body, {"origin": f'"{origin}"', "keys_dir": f'"{shared}/keys"',
                                 "trusted_proxies": '["127.0.0.1"]', "shutdown_grace": '"3s"'})  # fmt: skip


@pytest.fixture(scope="module")
def person(fleet: Fleet) -> Person:
    """A developer who is known to one instance's administrator and has a template."""
    folder = fleet.folder / "dev"
    folder.mkdir()
    dev = Person("dev@example.org", make_key(folder / "id_ed25519"), folder)
    fleet.one.admin("user.add", email=dev.email, key=dev.public_key, roles=["developer"])
    assert fleet.hfit(dev, "login").code == 0
    (folder / "invoices.yaml").write_text(TEMPLATE)
    made = fleet.hfit(dev, "pkg-tmpl", "create", folder / "invoices.yaml")
    assert made.code == 0, made.err
    return dev


def served_by(fleet: Fleet) -> set[str]:
    """Ports of the instances that nginx has asked."""
    return set(re.findall(r"127\.0\.0\.1:(\d+)", (fleet.folder / "access.log").read_text()))


def haproxy_config(folder: Path, port: int, certificates: Certificates, instances: list[Daemon]) -> Path:
    """The delivered configuration with the names of this machine."""
    pem = folder / "server.pem"
    pem.write_bytes(certificates.certificate.read_bytes() + certificates.key.read_bytes())
    text = put((PROXY / "haproxy.cfg").read_text(), r"/etc/haproxy/tls/server\.pem", str(pem))
    text = put(text, r"bind :443", f"bind 127.0.0.1:{port}")
    text = text.replace("maxconn 16384", "maxconn 256").replace("maxconn 4096", "maxconn 64")
    text = put(text, r"inter 2s", "inter 100ms")
    for number, daemon in enumerate(instances, 11):
        text = put(text, rf"10\.0\.0\.{number}:8765", f"127.0.0.1:{daemon.port}")
    path = folder / "haproxy-live.cfg"
    path.write_text(text)
    return path


def test_haproxy_leads_to_instances_that_are_ready(
    fleet: Fleet, person: Person, certificates: Certificates
) -> None:
    """Its health check is one that hfitd answers; a package and a file come whole through it."""
    port = free_port()
    config = haproxy_config(fleet.folder, port, certificates, [fleet.one, fleet.two])
    haproxy = find_binary("haproxy", "HFIT_TEST_HAPROXY_BIN", "haproxy")
    process = subprocess.Popen([haproxy, "-f", config, "-db"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    there = replace(fleet, origin=f"https://localhost:{port}")
    try:
        deadline = time.monotonic() + 15
        while process.poll() is None and answers(there) != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)  # two failed checks would have taken both instances out
        assert answers(there) == 200
        assert there.get("/metrics")[0] == 404
        token = (person.folder / "hfit" / "token").read_text()
        bearer = {"Authorization": f"Bearer {json.loads(token)['token'] if token.startswith('{') else token.strip()}"}
        status, _, body = there.get("/api/v1/files/files/download?path=big.bin", **bearer)
        assert (status, body) == (200, bytes(range(256)) * 8192)
    finally:
        process.terminate()
        process.wait(10)


def answers(fleet: Fleet) -> int:
    """The status of /ready; 0 while nobody listens."""
    try:
        return fleet.get("/ready")[0]
    except OSError:
        return 0


def test_haproxys_configuration_is_valid(certificates: Certificates, tmp_path: Path) -> None:
    haproxy = find_binary("haproxy", "HFIT_TEST_HAPROXY_BIN", "haproxy")
    pem = tmp_path / "server.pem"
    pem.write_bytes(certificates.certificate.read_bytes() + certificates.key.read_bytes())
    text = put((PROXY / "haproxy.cfg").read_text(), r"/etc/haproxy/tls/server\.pem", str(pem))
    for good, config in ((True, text), (False, text.replace("timeout http-request", "timeout http-requests"))):
        path = tmp_path / "haproxy.cfg"
        path.write_text(config)
        done = subprocess.run([haproxy, "-c", "-f", path], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is good, done.stderr
        assert not good or "WARNING" not in done.stderr, done.stderr


def test_login_template_and_package_need_no_stickiness(fleet: Fleet, person: Person) -> None:
    for customer in range(1, 9):
        got = fleet.hfit(person, "pkg-download", "invoices", f"customer={customer}")
        assert got.code == 0, got.err
        assert fleet.hfit(person, "verify", f"invoices-{customer}").code == 0
    assert served_by(fleet) == {str(fleet.one.port), str(fleet.two.port)}
    assert fleet.one.admin("user.show", email=person.email) == fleet.two.admin("user.show", email=person.email)


def test_a_package_that_one_instance_built_is_served_by_the_other(fleet: Fleet, person: Person) -> None:
    """Built on one, fetched again on two, and its rest by Range through nginx."""
    token = (person.folder / "hfit" / "token").read_text()
    bearer = {"Authorization": f"Bearer {json.loads(token)['token'] if token.startswith('{') else token.strip()}"}
    body = json.dumps({"template_name": "invoices", "parameters": {"customer": "9"}}).encode()
    headers = {**bearer, "Content-Type": "application/json", "Host": "localhost"}
    built = urllib.request.Request(f"http://127.0.0.1:{fleet.one.port}/api/v1/packdownload", body, headers)
    with urllib.request.urlopen(built, timeout=20) as answer:
        whole, name = answer.read(), answer.headers["X-Hfit-Package"]
    again = urllib.request.Request(f"http://127.0.0.1:{fleet.two.port}/api/v1/packages/{name}", headers=headers)
    with urllib.request.urlopen(again, timeout=20) as answer:
        assert answer.read() == whole
    status, sent, rest = fleet.get(f"/api/v1/packages/{name}", Range="bytes=100-", **bearer)
    assert (status, rest) == (206, whole[100:])
    assert sent["Content-Range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"


def test_a_file_comes_whole_through_the_proxy(fleet: Fleet, person: Person) -> None:
    assert fleet.hfit(person, "download", "files:/big.bin").code == 0
    assert (person.folder / "big.bin").read_bytes() == bytes(range(256)) * 8192


def test_metrics_are_not_shown_outside_and_the_address_of_the_client_is_in_the_audit(
    fleet: Fleet, person: Person
) -> None:
    assert fleet.get("/metrics")[0] == 404
    assert fleet.hfit(person, "whoami").code == 0
    assert "127.0.0.1" in {record.get("address") for record in fleet.one.audit_records() + fleet.two.audit_records()}
    assert "customer" not in (fleet.folder / "access.log").read_text()


def test_a9_a_revoked_session_ends_on_every_instance(fleet: Fleet) -> None:
    folder = fleet.folder / "leaver"
    folder.mkdir()
    leaver = Person("leaver@example.org", make_key(folder / "id_ed25519"), folder)
    fleet.two.admin("user.add", email=leaver.email, key=leaver.public_key, roles=["developer"])
    assert fleet.hfit(leaver, "login").code == 0
    token = json.loads((folder / "hfit" / "token").read_text())["token"]
    leaver = replace(leaver, token=token)
    for daemon in (fleet.one, fleet.two):
        assert asyncio.run(Api(daemon, leaver).get("/auth/whoami", Host="localhost")).status == 200
    fleet.one.admin("user.disable", email=leaver.email)
    assert asyncio.run(last_accepted([fleet.one, fleet.two], leaver)) < TRUST_SECONDS
    assert fleet.hfit(leaver, "whoami").code == 1  # nor does its key help


def test_r1_an_instance_that_is_killed_costs_nobody_a_package(fleet: Fleet, person: Person) -> None:
    fleet.two.kill()
    try:
        for customer in range(10, 14):
            got = fleet.hfit(person, "pkg-download", "invoices", f"customer={customer}")
            assert got.code == 0, got.err
            assert fleet.hfit(person, "verify", f"invoices-{customer}").code == 0
    finally:
        fleet.two.start()
