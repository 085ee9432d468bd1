from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import re
import time
import typing
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hfitd.errors import DbUnavailable
from hfitd.observe import events, process
from hfitd.observe.lag import watch_loop_lag
from hfitd.observe.logs import (
    RequestContext,
    configure_logging,
    current_job_id,
    current_request_id,
    describe_error,
    hide_secrets,
)
from hfitd.observe.observer import METRICS_CONTENT_TYPE, Observer

EXAMPLES: list[events.Event] = [
    process.Started("0.1.0", "one"),
    process.Stopping(2),
    process.Stopped(0),
    process.ConfigReloaded(("providers.a.port: not a number",)),
    process.InsecureSetting("plaintext"),
    events.RequestDone("GET", "/api/v1/volumes", 404, 0.02, 10, "NOT_FOUND"),
    events.LoginDone("bob@x", False, "nonce unknown"),
    events.PackageDone("case", "done", 12, 3456, 1.5),
    events.RowsSent("shop", 5, 100),
    events.PackageSent(11, 3000),
    events.FileSent("logs", 70),
    events.CacheAsked(True),
    events.ExtractionStarted("case"),
    events.ExtractionJoined("case"),
    events.QueueChanged("shop", 3, 2),
    events.PlaceTaken("shop", 0.4),
    events.QuotaRefused("rows_per_day"),
    events.TablesCarriedOff("bob@x"),
    events.AuditLag(7),
    events.ConnectionsChanged("shop", 4),
    events.DatabaseTime("shop", "render", 0.5),
    events.StoreTime("read", 0.001),
    events.AuditTime(0.002),
    events.SourcesAsked("ok", {"shop": "busy", "old": "unavailable"}),
    process.CertificateLoaded(1790000000.0),
    process.LoopLag(0.003, 12),
    process.LoopHeld(0.3),
    process.WalkerLost("ended before its listing was whole"),
    events.ErrorRaised("INTERNAL", ValueError("secret row")),
    events.AuditState(False, "disk full", 7),
    events.SinkDropped("syslog", 3),
    events.StoreTampered("user:bob@x"),
    events.AccessDecided("granted", "support", "3f2a91c07d5e8b64"),
    events.GlassBroken("bob@x", "support", "3f2a91c07d5e8b64"),
    events.ResidueSeen("customer-case", "raw value", 3),
    events.ResidueSeen("case", "e-mail address", 2),
    events.ProviderSilent("shop", "The database does not answer."),
    events.TemplatesChecked(1, 0, 1, 0),
    events.TemplateFound("case", "broken"),
    events.TemplateBroken("case", "bob@x", "EXPORT_REFUSED", "case.sql"),
    events.TracesLost(3),
    events.StoreFailed(),
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    configure_logging("debug", "json", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("hfitd").setLevel(logging.NOTSET)


def samples(observer: Observer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(observer.metrics_text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_event_is_one_json_line_with_its_name_and_fields(stream: io.StringIO) -> None:
    assert {type(event) for event in EXAMPLES} == set(typing.get_args(events.Event)), "an event has no example"
    observer = Observer()
    with RequestContext("r-1", "j-1"):
        for event in EXAMPLES:
            observer.event(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == len(EXAMPLES)
    assert {(line["request_id"], line["job_id"]) for line in lines} == {("r-1", "j-1")}
    assert lines[5]["event"] == "request_done"
    assert (lines[5]["route"], lines[5]["status"], lines[5]["level"]) == ("/api/v1/volumes", 404, "info")
    assert next(line for line in lines if line["event"] == "store_tampered")["level"] == "critical"


def test_every_metric_moves_with_its_event() -> None:
    observer = Observer()
    for event in EXAMPLES:
        observer.event(event)
    seen = samples(observer)
    request = (("method", "GET"), ("route", "/api/v1/volumes"), ("status", "404"))
    assert seen["hfitd_requests_total", request] == 1
    assert seen["hfitd_errors_total", (("code", "NOT_FOUND"),)] == 1
    assert seen["hfitd_errors_total", (("code", "INTERNAL"),)] == 1
    assert seen["hfitd_logins_total", (("outcome", "failed"),)] == 1
    assert seen["hfitd_packages_total", (("outcome", "done"),)] == 1
    assert seen["hfitd_built_bytes_total", ()] == 3456
    assert seen["hfitd_rows_total", (("way", "package"),)] == 11
    assert seen["hfitd_rows_total", (("way", "stream"),)] == 5
    assert seen["hfitd_bytes_total", (("way", "package"),)] == 3000
    assert seen["hfitd_bytes_total", (("way", "file"),)] == 70
    assert seen["hfitd_info", (("version", "0.1.0"),)] == 1
    assert seen["hfitd_store_ready", ()] == 1
    assert seen["hfitd_provider_ready", (("provider", "shop"),)] == 1
    assert seen["hfitd_provider_ready", (("provider", "old"),)] == 0
    assert seen["hfitd_store_seconds_count", (("operation", "read"),)] == 1
    assert seen["hfitd_audit_seconds_count", ()] == 1
    assert seen["hfitd_spans_lost_total", ()] == 3
    assert seen["hfit_template_status", (("status", "broken"), ("template", "case"))] == 1
    assert seen["process_open_fds", ()] > 0
    assert seen["hfitd_cache_lookups_total", (("result", "hit"),)] == 1
    assert seen["hfitd_extractions_total", ()] == 1
    assert seen["hfitd_extractions_joined_total", ()] == 1
    assert seen["hfitd_queue_waiting", (("queue", "shop"),)] == 3
    assert seen["hfitd_queue_running", (("queue", "shop"),)] == 2
    assert seen["hfitd_provider_connections", (("provider", "shop"),)] == 4
    assert seen["hfitd_database_seconds_total", (("operation", "render"), ("provider", "shop"))] == 0.5
    assert seen["hfitd_event_loop_lag_seconds_count", ()] == 1
    assert seen["hfitd_audit_ready", ()] == 0
    assert seen["hfitd_audit_lag_records", ()] == 7
    assert seen["hfitd_audit_sink_dropped_total", (("sink", "syslog"),)] == 3
    assert seen["hfitd_store_tampered_total", ()] == 1
    assert seen["hfitd_store_failures_total", ()] == 1
    assert METRICS_CONTENT_TYPE.startswith("text/plain")


def test_what_is_gone_since_the_last_look_has_no_series_any_more() -> None:
    observer = Observer()
    observer.event(events.SourcesAsked("ok", {"old": "ok"}))
    observer.event(events.TemplateFound("old", "ok"))
    observer.event(events.SourcesAsked("unavailable", {"shop": "ok"}))
    observer.event(events.TemplatesChecked(1, 0, 0, 0))
    observer.event(events.TemplateFound("case", "ok"))
    seen = samples(observer)
    assert {labels for name, labels in seen if name == "hfitd_provider_ready"} == {(("provider", "shop"),)}
    assert {dict(labels)["template"] for name, labels in seen if name == "hfit_template_status"} == {"case"}
    assert seen["hfitd_store_ready", ()] == 0


def test_two_observers_share_nothing() -> None:
    first, second = Observer(), Observer()
    first.event(events.ExtractionStarted("case"))
    assert samples(second)["hfitd_extractions_total", ()] == 0


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize("text", ['x\n{"event":"login_ok"}', "a\r\nb", "\x1b[2J", "\u2028", "\u202e", "\x9b", "\ud800"])
def test_d02_a_value_never_makes_a_second_line_or_reaches_a_terminal(
    stream: io.StringIO, style: str, text: str
) -> None:
    configure_logging("info", style, stream)
    Observer().event(events.LoginDone(text, True))
    logging.getLogger("elsewhere").warning("%s", text)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert written.isascii()
    assert all(character >= " " or character == "\n" for character in written)


SECRETS = [
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl",
    "Authorization: Bearer abc.def-ghi",
    "postgresql://app:s3cr3t-pass@db.internal/shop",
    "password=s3cr3t-pass",
    "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cr3t-pass\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN SSH SIGNATURE-----\ns3cr3t-pass",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("style", ["json", "text"])
def test_h10_what_is_shaped_like_a_secret_is_not_written(stream: io.StringIO, style: str, secret: str) -> None:
    configure_logging("info", style, stream)
    logging.getLogger("library").warning("it said %s", secret)
    Observer().event(process.ConfigReloaded((f"a mistake: {secret}",)))
    written = stream.getvalue()
    assert written.count("[hidden]") == 2
    for part in ("s3cr3t-pass", "abc.def-ghi", "c2lnbmF0dXJl"):
        assert part not in written


def test_hiding_leaves_ordinary_text_alone() -> None:
    text = "GET /api/v1/db/shop_pg/main 200 in 0.5 s for bob@example.org (see https://example.org/a:b)"
    assert hide_secrets(text) == text


def fail() -> None:
    try:
        raise ValueError("row value canary-4711 in /srv/secret/path")
    except ValueError as error:
        raise DbUnavailable("The database does not answer.") from error


@pytest.mark.parametrize("style", ["json", "text"])
def test_h10_an_error_is_logged_with_its_places_and_without_what_it_holds(stream: io.StringIO, style: str) -> None:
    configure_logging("info", style, stream)
    try:
        fail()
    except DbUnavailable as error:
        Observer().event(events.ErrorRaised(error.code, error))
        logging.getLogger("library").exception("it failed")
    written = stream.getvalue()
    assert "canary-4711" not in written
    assert "/srv/secret" not in written
    assert written.count("DbUnavailable (The database does not answer.)") == 2
    assert written.count("ValueError: ") == 2
    assert "test_observer.py" in written


def test_a_chain_of_causes_ends() -> None:
    error = ValueError("a")
    error.__cause__ = error
    assert describe_error(error) == ["ValueError: no trace"]


async def test_a_request_id_follows_its_tasks_and_no_others() -> None:
    async def seen() -> tuple[str, str]:
        await asyncio.sleep(0)
        return current_request_id(), current_job_id()

    with RequestContext("r-1"):
        first = asyncio.create_task(seen())
        with RequestContext("r-1", "j-2"):
            second = asyncio.create_task(seen())
    assert (await first, await second, await seen()) == (("r-1", ""), ("r-1", "j-2"), ("", ""))


def test_an_event_below_the_level_is_counted_and_not_written(stream: io.StringIO) -> None:
    configure_logging("warning", "json", stream)
    observer = Observer()
    observer.event(events.CacheAsked(False))
    assert stream.getvalue() == ""
    assert samples(observer)["hfitd_cache_lookups_total", (("result", "miss"),)] == 1


async def test_r15_a_blocked_loop_is_seen() -> None:
    observer = Observer()
    task = asyncio.create_task(watch_loop_lag(observer))
    await asyncio.sleep(0.01)
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        continue  # work, which is worse than waiting
    while samples(observer)["hfitd_event_loop_lag_seconds_count", ()] < 1:
        await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert samples(observer)["hfitd_event_loop_lag_seconds_sum", ()] > 0.1
    assert samples(observer)["hfitd_event_loop_held_seconds_count", ()] == 1


@pytest.mark.parametrize("style", ["json", "text"])
async def test_answers_told_together_have_the_lines_and_numbers_of_those_told_alone(style: str) -> None:
    said: dict[bool, list[str]] = {}
    numbers: dict[bool, list[str]] = {}
    taken = [(f"{number:016x}", 0.0001234567 * 3**number, 55_000 + number) for number in range(12)]
    for together in (False, True):
        stream, observer = io.StringIO(), Observer()
        configure_logging("info", style, stream)
        answers = observer.answers("GET", "/api/v1/packages/{id}", 200)
        for name, seconds, size in taken:
            if together:
                observer.answered(answers, name, seconds, size)
            else:
                with RequestContext(name):
                    observer.event(events.RequestDone("GET", "/api/v1/packages/{id}", 200, seconds, size))
        lines = observer.metrics_text().decode().splitlines()
        numbers[together] = [text for text in lines if "hfitd_request" in text and "_created" not in text]
        said[together] = [re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "", text) for text in stream.getvalue().splitlines()]
    assert said[True] == said[False]
    assert len(said[True]) == 12
    assert numbers[True] == numbers[False]


async def test_answers_that_nobody_asks_for_are_told_a_moment_later() -> None:
    stream, observer = io.StringIO(), Observer()
    configure_logging("info", "json", stream)
    observer.answered(observer.answers("GET", "/x", 200), "0" * 16, 0.001, 1)
    async with asyncio.timeout(5):
        while not stream.getvalue():
            await asyncio.sleep(0.01)
    assert stream.getvalue().count("\n") == 1
