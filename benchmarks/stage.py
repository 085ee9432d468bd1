"""Everything the rows need, running on free ports: databases, gateway, nginx, a person. All ends with the block."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import data
from benchmarks.plan import CannotRun, Sizes
from tests.live.certificates import Certificates, make_certificates
from tests.live.daemon import Daemon, Person, provider, role, running, volume
from tests.live.mariadb import mariadb
from tests.live.postgres import distribution_binaries, postgres
from tests.live.servers import Server, find_binary, free_port

GRANTS = ("rows:**", "query:**", "ddl:**", "files.list:**", "files.read:**", "template.run:*", "template.edit:*")
POLICY = """
[policy]
mask_key = "a mask key for benchmarks only, long enough"
[[policy.mask]]
columns = ["shop_masked/*/orders.email", "shop_masked/*/orders.full_name", "shop_masked/*/orders.phone"]
mask = "hash"
[[policy.clear]]
columns = ["*/*/*.*"]
"""
LIMITS = """
[limits]
requests_per_minute = 1000000
concurrent_packages = 200
package_rows = 1000000000
package_bytes = "100GB"
job_timeout = "1h"
[artifacts]
max_bytes = "50GB"
[auth]
token_ttl = "8h"
max_attempts = 1000
"""
NGINX = """
daemon off; worker_processes 1; master_process on; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; location = /health {{ return 200 "ok"; }} }}
  server {{ listen 127.0.0.1:{tls} ssl; root {root};
    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx, one worker, serving the volume."""

    pid: int
    port: int
    tls_port: int

    def url(self, path: str, *, tls: bool = False) -> str:
        """Of a file of the volume."""
        return f"https://localhost:{self.tls_port}/{path}" if tls else f"http://127.0.0.1:{self.port}/{path}"


@dataclass(frozen=True)
class Stage:
    """What a row measures on. ``secure`` is a second gateway, behind TLS, for the same volume."""

    sizes: Sizes
    folder: Path
    postgres: Server
    mariadb: Server
    gateway: Daemon
    secure: Daemon
    person: Person
    secure_person: Person
    nginx: Nginx | None
    certificates: Certificates

    @property
    def volume(self) -> Path:
        """The folder of the large file."""
        return self.folder / "volume"

    @property
    def work(self) -> Path:
        """Where commands write; emptied by ``clean``."""
        return self.folder / "work"

    def clean(self) -> None:
        """Empty the working folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()

    def postgres_pid(self) -> int:
        """Of the postmaster."""
        return int((self.postgres.directory / "data" / "postmaster.pid").read_text().split()[0])

    def mariadb_pid(self) -> int:
        """Of the server."""
        return int((self.mariadb.directory / "pid").read_text())

    def need_nginx(self) -> Nginx:
        """nginx, or the reason why a row cannot run."""
        if self.nginx is None:
            raise CannotRun("nginx is not installed")
        return self.nginx

    def postgres_environment(self) -> dict[str, str]:
        """For psql and pg_dump."""
        server = self.postgres
        return {
            "PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": server.user, "PGPASSWORD": server.password,
            "PGDATABASE": data.DATABASE,
        }  # fmt: skip

    def mariadb_options(self) -> str:
        """For mariadb and mariadb-dump; the password goes by environment."""
        server = self.mariadb
        return f"--no-defaults --protocol=tcp --host={server.host} --port={server.port} --user={server.user}"

    def hfit_environment(self) -> Mapping[str, str]:
        """For hfit as the person."""
        return self.gateway.client_environment(self.person)

    def url(self, path: str) -> str:
        """Of a route of the gateway."""
        return f"{self.gateway.origin}/api/v1{path}"

    def bearer(self) -> str:
        """The header for curl and wrk."""
        return f"Authorization: Bearer {self.person.token}"

    def keep_template(self, name: str, provider_name: str, files: Mapping[str, str], extra: str = "") -> None:
        """Store a template of ``table-data`` exports: file name -> table."""
        lines = [f"hfitVersion: 1\ntemplateName: {name}\npackageName: {name}\nexports:"]
        for file, table in files.items():
            # as short as it can be: a thousand of them have to fit into a template
            lines.append(f" {file}: {{type: table-data,data: {{dbms: {provider_name},table: {table}{extra}}}}}")
        self._keep(name, lines)

    def keep_files_template(self, name: str, volume_name: str, path: str) -> None:
        """Store a template of one file of a volume."""
        lines = [f"hfitVersion: 1\ntemplateName: {name}\npackageName: {name}\nexports:"]
        self._keep(name, [*lines, f"  f: {{type: file, data: {{volume: {volume_name}, path: {path}}}}}"])

    def _keep(self, name: str, lines: Sequence[str]) -> None:
        path = self.folder / f"{name}.yaml"
        path.write_text("\n".join([*lines, ""]))
        ran = self.gateway.hfit(self.person, "pkg-tmpl", "create", path)
        if ran.code:
            raise CannotRun(f"the template was refused: {ran.err.strip()}")


def config(postgres_server: Server, mariadb_server: Server, folder: Path) -> str:
    """The gateway's configuration: the same PostgreSQL database twice, plain and with masks."""
    options = "max_connections = 8\nstatement_timeout = \"1h\"\n"
    return "\n".join([
        provider("shop_pg", postgres_server, data.DATABASE) + options,
        provider("shop_masked", postgres_server, data.DATABASE) + options,
        provider("shop_my", mariadb_server, data.DATABASE) + options,
        volume("files", folder / "volume"),
        volume("tree", folder / "tree"),
        role("developer", *GRANTS),
        POLICY,
        LIMITS,
    ])  # fmt: skip


@contextlib.contextmanager
def standing(sizes: Sizes) -> Iterator[Stage]:
    """Start everything and fill it; nothing is left when the block ends."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hfit-bench-")))
        folder.chmod(0o755)
        postgres_server = stack.enter_context(postgres(distribution_binaries()))
        mariadb_server = stack.enter_context(mariadb())
        data.fill_postgres(postgres_server, sizes)
        data.fill_mariadb(mariadb_server, sizes)
        data.fill_volume(folder / "volume", sizes)
        data.fill_corpus(folder / "volume" / "corpus", sizes)
        data.fill_tree(folder / "tree", sizes)
        (folder / "keys").mkdir()
        certificates = make_certificates(folder / "keys")
        (folder / "gateway").mkdir()
        gateway = Daemon(folder / "gateway", config(postgres_server, mariadb_server, folder))
        stack.enter_context(running(gateway))
        person = gateway.add_person("bench@example.org", "developer")
        secure = stack.enter_context(_secure(folder, certificates))
        nginx = stack.enter_context(_nginx(folder, certificates)) if shutil.which("nginx", path=_path()) else None
        stage = Stage(
            sizes, folder, postgres_server, mariadb_server, gateway, secure, person,
            secure.add_person("bench@example.org", "developer"), nginx, certificates,
        )  # fmt: skip
        stage.clean()
        entered = gateway.hfit(person, "login")
        if entered.code:
            raise CannotRun(entered.err)
        yield stage


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin"


@contextlib.contextmanager
def _secure(folder: Path, certificates: Certificates) -> Iterator[Daemon]:
    place = folder / "secure"
    place.mkdir()
    body = "\n".join([volume("files", folder / "volume"), role("developer", *GRANTS), LIMITS])
    keys = {"tls_certificate": f'"{certificates.certificate}"', "tls_key": f'"{certificates.key}"'}
    certificates.key.chmod(0o600)
    os.environ["SSL_CERT_FILE"] = str(certificates.authority)
    daemon = Daemon(place, body)
    daemon.origin = daemon.signed_origin = f"https://localhost:{daemon.port}"
    daemon.write_config(body, {**keys, "origin": f'"{daemon.origin}"'})
    with running(daemon):
        yield daemon


@contextlib.contextmanager
def _nginx(folder: Path, certificates: Certificates) -> Iterator[Nginx]:
    place = folder / "nginx"
    place.mkdir()
    port, tls = free_port(), free_port()
    text = NGINX.format(
        folder=place, port=port, tls=tls, root=folder / "volume", certificate=certificates.certificate,
        key=certificates.key,
    )  # fmt: skip
    user = "user root;\n" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(user + text)
    binary = find_binary("nginx", "HFIT_TEST_NGINX_BIN", "nginx-light")
    process = subprocess.Popen(
        [binary, "-p", place, "-c", place / "nginx.conf"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        while not (place / "pid").exists():
            if process.poll() is not None:
                raise CannotRun((place / "error.log").read_text())
            time.sleep(0.02)
        yield Nginx(process.pid, port, tls)
    finally:
        process.terminate()
        process.wait()
