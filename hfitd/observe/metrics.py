"""The numbers, in a registry of their own, in the Prometheus text format 0.0.4.

Labels are routes, providers, codes and outcomes: a bounded number of each, never a name of a person or a value.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

__all__ = ["METRICS_CONTENT_TYPE", "Counter", "Histogram", "Metrics"]

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PACKAGE_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0)
_QUEUE_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STORE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5)
_HELD_BUCKETS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """Every metric the daemon has. Names begin with ``hfitd_``; what is said of templates begins with ``hfit_``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, descriptors, processor, start: process_...
        self.info = self._gauge("info", "1, with the version that runs", "version")
        self.requests = self._counter("requests", "Requests answered", "method", "route", "status")
        self.request_seconds = self._histogram("request_seconds", "Time to answer", _REQUEST_BUCKETS, "route")
        self.errors = self._counter("errors", "Errors answered or met inside, by code", "code")
        self.logins = self._counter("logins", "Logins", "outcome")
        self.packages = self._counter("packages", "Package jobs ended", "outcome")
        self.package_seconds = self._histogram("package_seconds", "Time of a package job", _PACKAGE_BUCKETS)
        self.rows = self._counter("rows", "Rows given out, as packages and streams", "way")
        self.sent_bytes = self._counter("bytes", "Bytes given out, as packages, streams and files", "way")
        self.built_bytes = self._counter("built_bytes", "Bytes of packages that jobs have written")
        self.cache = self._counter("cache_lookups", "Looks for a finished package", "result")
        self.extractions = self._counter("extractions", "Jobs that read their sources")
        self.joined = self._counter("extractions_joined", "Askers that joined a running job")
        self.waiting = self._gauge("queue_waiting", "Waiting for a place", "queue")
        self.running = self._gauge("queue_running", "Holding a place", "queue")
        self.queue_seconds = self._histogram("queue_seconds", "Time to get a place", _QUEUE_BUCKETS, "queue")
        self.quota_refusals = self._counter("quota_refusals", "Requests refused by a quota or rate limit", "quota")
        self.tables_alarms = self._counter("tables_alarms", "Times somebody asked for too many distinct tables")
        self.connections = self._gauge("provider_connections", "Connections to a provider in use", "provider")
        self.database_seconds = self._counter(
            "database_seconds", "Time providers worked for us", "provider", "operation"
        )
        self.provider_ready = self._gauge("provider_ready", "1 while the provider answers", "provider")
        self.store_ready = self._gauge("store_ready", "1 while the store answers")
        self.store_seconds = self._histogram("store_seconds", "Time of one question", _STORE_BUCKETS, "operation")
        self.loop_lag = self._histogram("event_loop_lag_seconds", "How long the event loop was away", _LAG_BUCKETS)
        self.tasks = self._gauge("tasks", "Tasks of the event loop: steady when nobody asks for anything")
        self.certificate_end = self._gauge(
            "certificate_end_seconds", "When the certificate that is served ends, in seconds since 1970; 0 without TLS"
        )
        self.audit_seconds = self._histogram("audit_seconds", "Time until a record was durable", _STORE_BUCKETS)
        self.loop_held = self._histogram(
            "event_loop_held_seconds", "CPU time of single steps of the event loop that took too long", _HELD_BUCKETS
        )
        self.audit_ready = self._gauge("audit_ready", "1 while the audit log can be written")
        self.audit_lag = self._gauge("audit_lag_records", "Audit records that sinks have not taken yet")
        self.audit_dropped = self._counter("audit_sink_dropped", "Audit records a sink did not take", "sink")
        self.store_tampered = self._counter("store_tampered", "Records of the store that somebody else wrote")
        self.access_requests = self._counter("access_requests", "Access requests that came to an outcome", "outcome")
        self.break_glass = self._counter("break_glass", "Roles that somebody took without an answer")
        self.residue = self._counter("residue", "Findings of the residual scan of packages, by kind", "kind")
        self.store_failures = self._counter("store_failures", "Times the store did not answer")
        self.spans_lost = self._counter("spans_lost", "Spans that the collector of traces did not take")
        names = ("template", "status")
        self.template_status = Gauge(
            "hfit_template_status", "Kept templates of this name and status", names, registry=self.registry
        )

    def answered(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """What counts requests of this kind, and what measures them."""
        return self.requests.labels(method, route, str(status)), self.request_seconds.labels(route)

    def text(self) -> bytes:
        """Everything, as a scrape reads it."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"hfitd_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"hfitd_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"hfitd_{name}", text, labels, registry=self.registry, buckets=buckets)
