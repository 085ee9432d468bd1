"""Where every room reports to: an event becomes a log line and moves its metrics."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import assert_never

from hfitd.observe import events, process
from hfitd.observe.answers import MOST, TOLD_SECONDS, Answers
from hfitd.observe.logs import AnswersRecord, EventRecord, describe_error
from hfitd.observe.metrics import METRICS_CONTENT_TYPE, Counter, Histogram, Metrics
from hfitd.observe.spans import Attribute, NoTraces, Span, Tracer

__all__ = ["METRICS_CONTENT_TYPE", "Observer"]


class Observer:
    """Takes events; never raises and never blocks longer than a log line takes."""

    def __init__(self) -> None:
        self.tracer: Tracer = NoTraces()
        self._metrics = Metrics()
        self._metrics.audit_ready.set(1)
        self._log = logging.getLogger("hfitd")
        self._names: dict[type[events.Event], tuple[str, tuple[str, ...]]] = {}
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._answers: dict[tuple[str, str, int], Answers] = {}
        self._telling: asyncio.TimerHandle | None = None

    def event(self, event: events.Event) -> None:
        """Count it and log it at its level; a log that cannot be written loses the line, not the request."""
        self._count(event)
        if self._log.isEnabledFor(event.level):
            name, fields = self._names.get(type(event)) or self._names.setdefault(type(event), _names(event))
            self._log.handle(EventRecord("hfitd", event.level, name, _values(event, fields)))

    def span(
        self, name: str, attributes: Mapping[str, Attribute] = MappingProxyType({})
    ) -> AbstractContextManager[Span]:
        """A span around a block of work, for those who trace; what is inside of it becomes its child."""
        return self.tracer.span(name, attributes)

    def answers(self, method: str, route: str, status: int) -> Answers:
        """Where answers of this kind wait to be told; for ``answered``."""
        kind = (method, route, status)
        return self._answers.get(kind) or self._answers.setdefault(kind, Answers(*kind))

    def answered(self, answers: Answers, request_id: str, seconds: float, size: int) -> None:
        """The same as the span of a request and its ``RequestDone``, of which line and metrics are told with those of
        other answers a moment later. From the event loop."""
        answers.add(request_id, seconds, size)
        if not isinstance(self.tracer, NoTraces):
            self.tracer.note(f"{answers.method} {answers.route}", seconds, _attributes(answers, request_id))
        if len(answers.waiting) >= MOST:
            self.tell()
        elif self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TOLD_SECONDS, self.tell)

    def tell(self) -> None:
        """Tell what waits."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        for kind, answers in self._answers.items():
            waiting = answers.take()
            if not waiting:
                continue
            requests, histogram = self._counting(kind)
            requests.inc(len(waiting))
            for _, _, seconds, _ in waiting:
                histogram.observe(seconds)
            if self._log.isEnabledFor(events.RequestDone.level):
                self._log.handle(AnswersRecord("hfitd", events.RequestDone.level, "request_done", kind, waiting))

    def metrics_text(self) -> bytes:
        """What ``/metrics`` answers; its content type is METRICS_CONTENT_TYPE."""
        self.tell()
        return self._metrics.text()

    def _counting(self, kind: tuple[str, str, int]) -> tuple[Counter, Histogram]:
        return self._answered.get(kind) or self._answered.setdefault(kind, self._metrics.answered(*kind))

    def _count(self, event: events.Event) -> None:
        match event:
            case events.RequestDone() | events.LoginDone() | events.ErrorRaised():
                self._count_answers(event)
            case events.PackageDone() | events.CacheAsked() | events.ExtractionStarted() | events.ExtractionJoined():
                self._count_work(event)
            case events.RowsSent() | events.PackageSent() | events.FileSent():
                self._count_sent(event)
            case events.TemplatesChecked() | events.TemplateFound():
                self._count_templates(event)
            case (
                events.QueueChanged()
                | events.PlaceTaken()
                | events.ConnectionsChanged()
                | events.QuotaRefused()
                | events.TablesCarriedOff()
            ):
                self._count_guards(event)
            case events.AccessDecided() | events.GlassBroken() | events.ResidueSeen():
                self._count_review(event)
            case events.DatabaseTime() | events.StoreTime() | events.AuditTime() | events.SourcesAsked():
                self._count_sources(event)
            case (
                process.LoopLag()
                | process.LoopHeld()
                | events.AuditState()
                | events.AuditLag()
                | events.SinkDropped()
                | events.StoreTampered()
                | events.StoreFailed()
                | events.TracesLost()
            ):
                self._count_machine(event)
            case process.Started():
                self._metrics.info.labels(event.version).set(1)
            case process.CertificateLoaded():
                self._metrics.certificate_end.set(event.ends)
            case (
                process.Stopping()
                | process.Stopped()
                | process.ConfigReloaded()
                | process.InsecureSetting()
                | process.WalkerLost()
                | events.ProviderSilent()
                | events.TemplateBroken()
            ):
                pass  # lines only
            case _:
                assert_never(event)

    def _count_answers(self, event: events.RequestDone | events.LoginDone | events.ErrorRaised) -> None:
        metrics = self._metrics
        match event:
            case events.RequestDone():
                requests, seconds = self._counting((event.method, event.route, event.status))
                requests.inc()
                seconds.observe(event.seconds)
                if event.code:
                    metrics.errors.labels(event.code).inc()
            case events.LoginDone():
                metrics.logins.labels("ok" if event.ok else "failed").inc()
            case events.ErrorRaised():
                metrics.errors.labels(event.code).inc()
            case _:
                assert_never(event)

    def _count_work(
        self,
        event: events.PackageDone | events.CacheAsked | events.ExtractionStarted | events.ExtractionJoined,
    ) -> None:
        metrics = self._metrics
        match event:
            case events.PackageDone():
                metrics.packages.labels(event.outcome).inc()
                metrics.package_seconds.observe(event.seconds)
                metrics.built_bytes.inc(event.size)
            case events.CacheAsked():
                metrics.cache.labels("hit" if event.hit else "miss").inc()
            case events.ExtractionStarted():
                metrics.extractions.inc()
            case events.ExtractionJoined():
                metrics.joined.inc()
            case _:
                assert_never(event)

    def _count_sent(self, event: events.RowsSent | events.PackageSent | events.FileSent) -> None:
        metrics = self._metrics
        match event:
            case events.PackageSent():
                metrics.rows.labels("package").inc(event.rows)
                metrics.sent_bytes.labels("package").inc(event.size)
            case events.RowsSent():
                metrics.rows.labels("stream").inc(event.rows)
                metrics.sent_bytes.labels("stream").inc(event.size)
            case events.FileSent():
                metrics.sent_bytes.labels("file").inc(event.size)
            case _:
                assert_never(event)

    def _count_templates(self, event: events.TemplatesChecked | events.TemplateFound) -> None:
        """A round of checks begins with its sums, so that templates that are gone have no status any more."""
        match event:
            case events.TemplatesChecked():
                self._metrics.template_status.clear()
            case events.TemplateFound():
                self._metrics.template_status.labels(event.template, event.status).inc()
            case _:
                assert_never(event)

    def _count_review(self, event: events.AccessDecided | events.GlassBroken | events.ResidueSeen) -> None:
        match event:
            case events.AccessDecided():
                self._metrics.access_requests.labels(event.outcome).inc()
            case events.GlassBroken():
                self._metrics.break_glass.inc()
            case events.ResidueSeen():
                self._metrics.residue.labels(event.kind).inc(event.count)
            case _:
                assert_never(event)

    def _count_sources(
        self, event: events.DatabaseTime | events.StoreTime | events.AuditTime | events.SourcesAsked
    ) -> None:
        metrics = self._metrics
        match event:
            case events.DatabaseTime():
                metrics.database_seconds.labels(event.provider, event.operation).inc(event.seconds)
                of = {"hfitd.provider": event.provider, "hfitd.operation": event.operation}
                self.tracer.note("query", event.seconds, of)
            case events.StoreTime():
                metrics.store_seconds.labels(event.operation).observe(event.seconds)
                self.tracer.note("store", event.seconds, {"hfitd.operation": event.operation})
            case events.AuditTime():
                metrics.audit_seconds.observe(event.seconds)
                self.tracer.note("audit", event.seconds, {})
            case events.SourcesAsked():
                metrics.store_ready.set(int(event.store == "ok"))
                metrics.provider_ready.clear()  # a provider may be gone since a reload
                for name, state in event.providers.items():
                    metrics.provider_ready.labels(name).set(int(state != "unavailable"))
            case _:
                assert_never(event)

    def _count_guards(
        self,
        event: events.QueueChanged
        | events.PlaceTaken
        | events.ConnectionsChanged
        | events.QuotaRefused
        | events.TablesCarriedOff,
    ) -> None:
        metrics = self._metrics
        match event:
            case events.QueueChanged():
                metrics.waiting.labels(event.name).set(event.waiting)
                metrics.running.labels(event.name).set(event.running)
            case events.PlaceTaken():
                metrics.queue_seconds.labels(event.name).observe(event.seconds)
            case events.ConnectionsChanged():
                metrics.connections.labels(event.provider).set(event.open)
            case events.QuotaRefused():
                metrics.quota_refusals.labels(event.quota).inc()
            case events.TablesCarriedOff():
                metrics.tables_alarms.inc()
            case _:
                assert_never(event)

    def _count_machine(
        self,
        event: process.LoopLag
        | process.LoopHeld
        | events.AuditState
        | events.AuditLag
        | events.SinkDropped
        | events.StoreTampered
        | events.StoreFailed
        | events.TracesLost,
    ) -> None:
        metrics = self._metrics
        match event:
            case process.LoopHeld():
                metrics.loop_held.observe(event.cpu_seconds)
            case process.LoopLag():
                metrics.loop_lag.observe(event.seconds)
                metrics.tasks.set(event.tasks)
            case events.AuditState():
                metrics.audit_ready.set(int(event.ready))
                metrics.audit_lag.set(event.lag)
            case events.AuditLag():
                metrics.audit_lag.set(event.records)
            case events.SinkDropped():
                metrics.audit_dropped.labels(event.sink).inc(event.records)
            case events.StoreTampered():
                metrics.store_tampered.inc()
            case events.StoreFailed():
                metrics.store_failures.inc()
            case events.TracesLost():
                metrics.spans_lost.inc(event.spans)
            case _:
                assert_never(event)


def _attributes(answers: Answers, request_id: str) -> dict[str, Attribute]:
    return {
        "http.request.method": answers.method,
        "http.route": answers.route,
        "http.response.status_code": answers.status,
        "hfitd.request": request_id,
    }


def _names(event: events.Event) -> tuple[str, tuple[str, ...]]:
    """Of the event, and of its fields."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()
    return name, tuple(field.name for field in dataclasses.fields(event))


def _values(event: events.Event, names: Sequence[str]) -> dict[str, object]:
    fields = {name: getattr(event, name) for name in names}
    error = fields.get("error")
    if isinstance(error, BaseException):
        fields["error"] = describe_error(error)
    return fields
