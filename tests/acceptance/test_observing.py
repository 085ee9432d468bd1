"""What a running daemon tells of itself: metrics that move, lines that name their package, traces, template checks."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.test_interruptions import until
from tests.live.daemon import Daemon, role, running, sqlite_provider, volume
from tests.live.world import EVERYTHING
from tests.support.http import Api

MARK = "a-name-that-belongs-to-somebody"
TEMPLATE = f"""hfitVersion: 1
templateName: people
packageName: people-${{who}}
parameters:
  who: {{type: text, required: true}}
exports:
  person.csv: {{type: table-data, data: {{dbms: shop, table: person, filter: "name = ${{who}}"}}}}
  "{MARK}.csv": {{type: database, provider: shop, query: "SELECT id FROM person WHERE name = ${{who}}"}}
"""


@dataclass
class Collector:
    """An OTLP/HTTP collector on loopback; what it was sent."""

    requests: list[bytes] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    port: int = 0
    status: int = 200

    def spans(self) -> list[Any]:
        """Every span, decoded."""
        found = []
        for body in list(self.requests):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """The collector, listening."""
    state = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.paths.add(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.status == 200:
                state.requests.append(body)
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def body_of(folder: Path, collector: Collector, rules: str = "") -> str:
    """The configuration: a database, a volume, traces, checks every second."""
    shared = [sqlite_provider("shop", folder / "shop.db"), volume("files", folder / "files"), rules]
    traces = f'[traces]\nendpoint = "http://127.0.0.1:{collector.port}/v1/traces"\n'
    log = '[log]\nlevel = "debug"\n'
    clear = '[[policy.clear]]\ncolumns = ["shop/main/person.id", "shop/main/person.name"]\n'
    return "\n".join([*shared, traces, log, clear, role("developer", *EVERYTHING)])


@pytest.fixture(scope="module")
def office(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Api]]:
    """A daemon, and somebody whose template is kept there."""
    folder = tmp_path_factory.mktemp("observing")
    (folder / "files").mkdir()
    (folder / "files" / "a.log").write_text("x" * 1000)
    alter(folder / "shop.db", "CREATE TABLE person (id integer PRIMARY KEY, name text)",
          f"INSERT INTO person VALUES (1, '{MARK}'), (2, 'other')")  # fmt: skip
    with running(Daemon(folder, body_of(folder, collector), {"template_check": '"1s"'})) as daemon:
        api = Api(daemon, daemon.add_person("dev@example.org", "developer"))
        assert asyncio.run(api.put_template(TEMPLATE)).status == 201
        yield daemon, api


def alter(path: Path, *statements: str) -> None:
    """Change the database as its owner would."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def metrics(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """A scrape."""
    text = asyncio.run(api.get("//metrics")).body.decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(api: Api, name: str, **labels: str) -> float:
    """One number of a scrape; 0 when it is not there."""
    return metrics(api).get((name, frozenset(labels.items())), 0.0)


def lines(daemon: Daemon) -> list[dict[str, Any]]:
    """The log."""
    return [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]


def test_every_way_out_of_the_daemon_is_counted(office: tuple[Daemon, Api]) -> None:
    _, api = office
    for number in (1, 2):
        answer = asyncio.run(api.package("people", "other"))
        assert answer.status == 200
        assert value(api, "hfitd_rows_total", way="package") == 2 * number  # kept ones, too, are given out
    assert value(api, "hfitd_bytes_total", way="package") == 2 * len(answer.body)
    assert value(api, "hfitd_built_bytes_total") == len(answer.body)
    assert value(api, "hfitd_packages_total", outcome="done") == 1
    assert value(api, "hfitd_cache_lookups_total", result="hit") == 1
    asyncio.run(api.get("/files/files/download?path=a.log"))
    assert value(api, "hfitd_bytes_total", way="file") == 1000
    asyncio.run(api.get("/db/shop/main/person/rows"))
    assert value(api, "hfitd_rows_total", way="stream") == 2
    asyncio.run(api.get("/db/shop/main/nothing/rows"))
    assert value(api, "hfitd_errors_total", code="NOT_FOUND") == 1


def test_the_time_of_database_store_and_audit_is_told(office: tuple[Daemon, Api]) -> None:
    _, api = office
    asyncio.run(api.package("people", "other", refresh=True))
    for operation in ("catalog", "render"):
        assert value(api, "hfitd_database_seconds_total", provider="shop", operation=operation) > 0
    assert value(api, "hfitd_store_seconds_count", operation="read") > 0
    assert value(api, "hfitd_audit_seconds_count") > 0
    assert value(api, "hfitd_provider_ready", provider="shop") == 1
    assert value(api, "hfitd_store_ready") == 1
    assert value(api, "process_resident_memory_bytes") > 1e6


def test_askers_that_joined_a_job_are_counted(office: tuple[Daemon, Api]) -> None:
    _, api = office

    async def ask() -> list[int]:
        return [a.status for a in await asyncio.gather(*(api.package("people", f"nobody {n // 4}") for n in range(16)))]

    before = value(api, "hfitd_extractions_total"), value(api, "hfitd_cache_lookups_total", result="miss")
    assert set(asyncio.run(ask())) == {200}
    assert value(api, "hfitd_extractions_total") == before[0] + 4
    misses = value(api, "hfitd_cache_lookups_total", result="miss") - before[1]
    assert misses == 4
    assert value(api, "hfitd_extractions_joined_total") <= 12


def test_lines_of_a_package_carry_its_id_and_that_of_the_request(office: tuple[Daemon, Api]) -> None:
    daemon, api = office
    answer = asyncio.run(api.package("people", "somebody else"))
    package, request = answer.headers["X-Hfit-Package"], answer.headers["X-Request-Id"]

    def told(key: str, name: str, other: str) -> dict[str, str]:
        return {line["event"]: line.get(other, "") for line in lines(daemon) if line.get(key) == name}

    wanted = {"extraction_started", "database_time", "package_done", "request_done"}
    until(lambda: wanted <= set(told("job_id", package, "request_id")))
    assert set(told("job_id", package, "request_id").values()) == {request}
    again = asyncio.run(api.get(f"/packages/{package}")).headers["X-Request-Id"]
    until(lambda: told("request_id", again, "job_id").get("request_done") == package)


def test_a_trace_shows_where_a_package_spent_its_time_and_holds_no_value(
    office: tuple[Daemon, Api], collector: Collector
) -> None:
    _, api = office
    answer = asyncio.run(api.package("people", MARK, refresh=True))
    package = answer.headers["X-Hfit-Package"]

    def trace() -> dict[str, Any]:
        spans = collector.spans()
        root = next((s for s in spans if package in str(s.attributes) and s.name == "package"), None)
        return {s.name: s for s in spans if root is not None and s.trace_id == root.trace_id}

    wanted = {"POST /api/v1/packdownload", "package", "plan", "query", "member", "store", "audit"}
    until(lambda: wanted <= set(trace()))
    found = trace()
    assert found["package"].parent_span_id == found["POST /api/v1/packdownload"].span_id
    assert found["plan"].parent_span_id == found["package"].span_id
    assert collector.paths == {"/v1/traces"}
    attributes = {a.key: a.value for a in found["POST /api/v1/packdownload"].attributes}
    assert attributes["http.route"].string_value == "/api/v1/packdownload"
    assert attributes["http.response.status_code"].int_value == 200
    sent = b"".join(collector.requests)
    for secret in (MARK, "dev@example.org", "SELECT", str(api.headers["Authorization"])[7:40], "shop.db"):
        assert secret.encode() not in sent, secret


def test_a_failure_is_told_by_its_code_alone(office: tuple[Daemon, Api], collector: Collector) -> None:
    _, api = office
    assert asyncio.run(api.get("/db/shop/main/no-such-table/rows")).status == 404

    def failed() -> list[Any]:
        return [s for s in collector.spans() if s.name == "rows" and s.status.code == 2]

    until(failed)
    (span,) = failed()[-1:]
    assert {a.key: a.value.string_value for a in span.attributes}["error.type"] == "EXPORT_REFUSED"
    assert not span.events
    assert not span.status.message


def test_a_collector_that_refuses_costs_spans_and_nothing_else(
    office: tuple[Daemon, Api], collector: Collector
) -> None:
    daemon, api = office
    collector.status = 400
    try:
        assert asyncio.run(api.get("/db/dbmss")).status == 200
        until(lambda: value(api, "hfitd_spans_lost_total") > 0)
    finally:
        collector.status = 200
    assert any(line["event"] == "traces_lost" and line["spans"] for line in lines(daemon))
    assert all("opentelemetry" not in line.get("logger", "") for line in lines(daemon))


def test_template_checks_tell_of_a_migration_before_a_developer_does(office: tuple[Daemon, Api]) -> None:
    """The data owner hears of it within the interval; what was given for review says the same when asked."""
    daemon, api = office

    def is_(status: str) -> bool:
        return value(api, "hfit_template_status", template="people", status=status) == 1

    until(lambda: is_("ok"))
    assert daemon.hfitd("template", "check").code == 0
    alter(daemon.folder / "shop.db", "ALTER TABLE person ADD COLUMN email text")
    until(lambda: is_("unclassified"))
    assert not is_("ok")
    told = daemon.hfitd("template", "check")
    assert (told.code, told.out) == (
        1, "dev@example.org:people: unclassified (COLUMN_UNCLASSIFIED at person.csv)\n",
    )  # fmt: skip
    alter(daemon.folder / "shop.db", "ALTER TABLE person DROP COLUMN email", "ALTER TABLE person RENAME TO human")
    until(lambda: is_("broken"))
    broken = [line for line in lines(daemon) if line["event"] == "template_broken"]
    assert (broken[-1]["template"], broken[-1]["owner"], broken[-1]["level"]) == (
        "people", "dev@example.org", "warning",
    )  # fmt: skip
    assert daemon.admin("status")["templates"]["broken"] == 1
    alter(daemon.folder / "shop.db", "ALTER TABLE human RENAME TO person")
    until(lambda: is_("ok"))


def test_sighup_takes_over_roles_and_volumes_and_names_what_waits_for_a_start(
    office: tuple[Daemon, Api], collector: Collector
) -> None:
    daemon, _ = office
    folder = daemon.folder
    new = body_of(folder, collector, role("tester", "files.list:more/**", "files.read:more/**"))
    (folder / "more").mkdir()
    daemon.write_config(new + volume("more", folder / "more"), {"template_check": '"1s"', "metrics": '"token"'})
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.admin("status")["reload"])
    status = daemon.admin("status")
    assert (status["reload"]["mistakes"], status["reload"]["needs_restart"]) == ([], ["server.metrics"])
    tester = daemon.add_person("tester@example.org", "tester")  # a role that the reload brought
    assert asyncio.run(Api(daemon, tester).get("/volumes")).json == ["more"]
    assert daemon.status_of("/metrics") == 200
    line = [line for line in lines(daemon) if line["event"] == "config_reloaded"][-1]
    assert line["restart"] == ["server.metrics"]


def test_sighup_with_a_volume_that_is_not_there_changes_nothing(
    office: tuple[Daemon, Api], collector: Collector
) -> None:
    daemon, api = office
    daemon.write_config(body_of(daemon.folder, collector, volume("gone", daemon.folder / "gone")))
    before = asyncio.run(api.get("/volumes")).json
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.admin("status")["reload"]["mistakes"])
    (mistake,) = daemon.admin("status")["reload"]["mistakes"]
    assert re.match("gone: The folder of volume gone cannot be opened", mistake)
    assert asyncio.run(api.get("/volumes")).json == before
