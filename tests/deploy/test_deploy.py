"""The files of ``deploy/`` are checked offline by the tools that read such files, and by doing what they do."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hfitd.config.load import load_config
from hfitd.config.model import ServerConfig
from tests.live.daemon import BIN, Daemon, role
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server, find_binary, free_port
from tests.support.source import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
TOOLS = Path(sys.executable).parent


def _run(*argv: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, argv)], env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )


def _passes(*argv: str | Path, environment: dict[str, str] | None = None) -> str:
    done = _run(*argv, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dockerfile_is_clean() -> None:
    _passes(TOOLS / "hadolint", DOCKERFILE)


def test_the_dockerfile_copies_only_what_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        name
        for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", DOCKERFILE.read_text())
        for name in line.split()[:-1]
    ]
    assert {"hfit", "hfitd", "setup.cfg"} <= set(copied)
    assert set(copied) <= allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_container_runs_without_root() -> None:
    assert re.findall(r"(?m)^USER (.+)$", DOCKERFILE.read_text()) == ["10001"]


@pytest.fixture
def health() -> Iterator[tuple[list[str], int]]:
    """The image's health command, and the port of a server that says it is well."""

    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    found = re.search(r"HEALTHCHECK.*\\\n\s+CMD (\[.*\])", DOCKERFILE.read_text())
    assert found
    command = json.loads(found[1])
    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield [sys.executable, *command[1:]], server.server_port
        server.shutdown()
        thread.join()


def test_the_health_command_tells_a_running_daemon_from_a_dead_one(health: tuple[list[str], int]) -> None:
    command, port = health
    alive, lost, dead = f"{port}/health", f"{port}/elsewhere", f"{free_port()}/health"
    codes = [
        _run(*command, environment={"HFITD_HEALTH_URL": f"http://127.0.0.1:{address}"}).returncode
        for address in (alive, lost, dead)
    ]
    assert codes == [0, 1, 1]


def test_the_compose_file_follows_its_schema() -> None:
    _passes(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_every_yaml_file_is_tidy() -> None:
    rules = "{line-length: {max: 130}, document-start: disable, comments: {min-spaces-from-content: 1}, "
    rules += "braces: {max-spaces-inside: 1}}"
    files = [path for path in DEPLOY.rglob("*.yaml") if "templates" not in path.parts]  # those are no YAML yet
    assert len(files) >= 4
    _passes(TOOLS / "yamllint", "--strict", "-d", f"{{extends: default, rules: {rules}}}", *files, ROOT / "mkdocs.yml")


def test_every_shell_script_is_clean() -> None:
    scripts = [ROOT / ".ci" / "run", *DEPLOY.rglob("*.sh"), *(ROOT / "tests" / "support").glob("*.sh")]
    assert len(scripts) >= 4
    _passes(find_binary("shellcheck", "HFIT_TEST_SHELLCHECK_BIN", "shellcheck"), *scripts)


def test_the_compose_file_mounts_only_what_is_there() -> None:
    mounts = [
        volume.split(":")[0]
        for service in yaml.safe_load(COMPOSE.read_text())["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert mounts
    assert all((COMPOSE.parent / mount).exists() for mount in mounts)


def test_the_daemons_configuration_of_the_compose_file_is_valid() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    given = dict.fromkeys(services["one"]["environment"], "a secret")
    config = load_config(COMPOSE.parent / "hfitd.toml", given)
    assert list(config.providers) == ["shop", "tickets"]
    assert {p.host for p in config.providers.values()} | {"redis"} <= services.keys()
    buckets = [url.removeprefix("s3://") for url in (*config.audit.sinks, config.artifacts.url) if url.startswith("s3://")]
    assert buckets == ["audit-trail", "packages"]
    made = services["objects"]["entrypoint"][-1].partition("mkdir -p ")[2].partition(" && ")[0]
    assert made.split() == [f"/data/{bucket}" for bucket in buckets]
    assert services["one"]["environment"]["AWS_ENDPOINT_URL"] == "http://objects:9000"
    assert config.server.origin == "http://" + services["proxy"]["ports"][0].rpartition(":")[0]
    for name in ("one", "two"):  # nothing but the keys is shared as files
        mounts = dict(volume.split(":")[:2] for volume in services[name]["volumes"])
        assert config.server.keys_dir == Path(mounts["keys"]) / "keys"
        assert mounts[name] == str(config.server.data_dir)
        assert set(mounts) == {"./hfitd.toml", "./logs", "keys", name}


def test_the_proxy_of_the_compose_file_is_valid_and_asks_both_daemons(tmp_path: Path) -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    text = (COMPOSE.parent / "nginx.conf").read_text()
    asked = re.findall(r"server (\w+):8765", text)
    assert set(asked) == {name for name, service in services.items() if service.get("image") == "hfitd"}
    path = tmp_path / "nginx.conf"
    here = re.sub(r"server (one|two):", "server 127.0.0.1:", text)
    path.write_text(here.replace("/run/nginx.pid", f"{tmp_path}/pid"))
    _passes(find_binary("nginx", "HFIT_TEST_NGINX_BIN", "nginx-light"), "-t", "-c", path)


def test_the_sample_shop_loads_and_its_reader_can_only_read(postgres_server: Server, postgres_database: str) -> None:
    server = postgres_server
    psql = find_binary("psql", "HFIT_TEST_PG_BIN", "postgresql-client")
    environment = {
        "PATH": f"{psql.parent}:{os.environ['PATH']}",
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGPASSWORD": server.password,
        "POSTGRES_USER": server.user,
        "POSTGRES_DB": postgres_database,
        "HFITD_SHOP_PASSWORD": "it's \"quoted\"",
    }
    script = DEPLOY / "compose" / "shop.sh"
    _passes("sh", script, environment=environment)
    try:
        reader = Server("postgresql", server.host, server.port, "hfitd", "it's \"quoted\"", server.directory)
        assert run_sql(reader, "select count(*) from purchase_line", postgres_database).strip() == "1200"
        with pytest.raises(AssertionError, match="permission denied"):
            run_sql(reader, "set default_transaction_read_only = off; delete from customer", postgres_database)
    finally:
        run_sql(server, "drop owned by hfitd; drop role hfitd;", postgres_database)


def test_every_image_has_an_exact_version() -> None:
    """At least a minor release: what was tried is what runs, on every machine."""
    images = [service["image"] for service in yaml.safe_load(COMPOSE.read_text())["services"].values()]
    images += re.findall(r"(?m)^FROM (\S+)", DOCKERFILE.read_text())
    for image in set(images) - {"hfitd"}:
        assert re.fullmatch(r"\S+:(\d+\.\d+\.?\d*-[a-z-]+|RELEASE\.\d{4}-\S+)", image), image


def test_the_image_installs_exact_versions() -> None:
    text = DOCKERFILE.read_text()
    assert "--constraint constraints.txt" in text
    assert re.search(r"COPY .*deploy/constraints\.txt", text)


def test_the_sample_tickets_load_and_their_reader_can_only_read(mariadb_server: Server) -> None:
    mariadb = find_binary("mariadb", "HFIT_TEST_MYSQL_BIN", "mariadb-client-core")
    password = "it's \\ \"quoted\""
    with fresh_database(mariadb_server) as database:
        options = [f"--host={mariadb_server.host}", f"--port={mariadb_server.port}", f"--user={mariadb_server.user}"]
        wrapper = mariadb_server.directory / "as-client"
        wrapper.mkdir(exist_ok=True)
        script = wrapper / "mariadb"
        script.write_text(f'#!/bin/sh\nexec {mariadb} {" ".join(options)} "$@"\n')
        script.chmod(0o755)
        environment = {
            "PATH": f"{wrapper}:{os.environ['PATH']}",
            "MARIADB_USER": mariadb_server.user,
            "MARIADB_ROOT_PASSWORD": mariadb_server.password,
            "MARIADB_DATABASE": database,
            "HFITD_TICKETS_PASSWORD": password,
        }
        _passes("sh", DEPLOY / "compose" / "tickets.sh", environment=environment)
        try:
            reader = replace(mariadb_server, user="hfitd", password=password)
            assert run_sql(reader, "select count(*) from ticket", database).strip() == "250"
            with pytest.raises(AssertionError, match="denied"):
                run_sql(reader, "insert into ticket (subject) values ('x')", database)
        finally:
            run_sql(mariadb_server, "drop user hfitd")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here."""
    text = (DEPLOY / "hfitd.service").read_text()
    changed = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={find_binary('true', 'HFIT_TEST_BIN', 'coreutils')}", text)
    assert changed != text
    path = tmp_path / "hfitd.service"
    path.write_text(changed)
    return path


def test_the_unit_is_valid(unit: Path) -> None:
    analyze = find_binary("systemd-analyze", "HFIT_TEST_SYSTEMD_BIN", "systemd")
    listener = unit.with_name("hfitd.socket")
    listener.write_text((DEPLOY / "hfitd.socket").read_text())
    _passes(analyze, "verify", "--recursive-errors=yes", "--man=no", unit, listener)
    _passes(analyze, "verify", "--recursive-errors=yes", "--man=no", unit)
    unit.write_text(unit.read_text().replace("NoNewPrivileges=yes", "NoNewPriviledges=yes"))
    assert _run(analyze, "verify", "--recursive-errors=yes", "--man=no", unit).returncode


def test_the_socket_is_the_one_of_the_defaults() -> None:
    (stream,) = re.findall(r"(?m)^ListenStream=(.+)$", (DEPLOY / "hfitd.socket").read_text())
    assert stream == ServerConfig().listen


@pytest.mark.parametrize("same", [True, False])
def test_a_socket_of_systemd_is_served_when_it_is_the_one_of_the_configuration(same: bool, tmp_path: Path) -> None:
    """By systemd's own tool: it listens, and starts the daemon with the first connection, which is answered."""
    activate = find_binary("systemd-socket-activate", "HFIT_TEST_SYSTEMD_BIN", "systemd")
    daemon = Daemon(tmp_path, role("developer"))
    port = daemon.port if same else free_port()
    argv = [activate, f"--listen=127.0.0.1:{port}", BIN / "hfitd", "serve", "--config", daemon.config]
    with daemon.log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and daemon.status_of("/health") != 200:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                time.sleep(0.1)
            assert time.monotonic() < deadline
        if same:
            assert daemon.status_of("/ready") == 200
        else:
            assert process.wait(30) == 1
            assert "not the one of server.listen" in daemon.log.read_text()
    finally:
        process.terminate()
        process.wait(30)


def test_the_unit_is_a_sandbox(unit: Path) -> None:
    """systemd's own exposure score, of 100; without any protection a service has 96."""
    analyze = find_binary("systemd-analyze", "HFIT_TEST_SYSTEMD_BIN", "systemd")
    _passes(analyze, "security", "--offline=true", "--threshold=15", "--no-pager", unit)
