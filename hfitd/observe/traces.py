"""Traces by OpenTelemetry, sent as OTLP over HTTP (opentelemetry-proto, ``/v1/traces``). The one room of its library.

1. An error is its code or its class: messages and stack traces, which may hold a row or a password, are not recorded.
2. A thread sends batches; a collector that does not answer costs spans, which are counted, and nothing else.
3. ``traceparent`` of a caller is not taken over: it would let strangers decide which traces are kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span as LibrarySpan
from opentelemetry.trace import Status, StatusCode

from hfitd.errors import HfitError
from hfitd.observe.spans import Attribute, Span

_TIMEOUT_SECONDS = 5.0
_QUEUE_SPANS = 8192
_BATCH_SPANS = 512
_DELAY_MILLISECONDS = 2000


class OpenTelemetry:
    """See Tracer."""

    def __init__(
        self, endpoint: str, ratio: float, *, version: str, instance: str, on_lost: Callable[[int], None]
    ) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its lines name hosts; 2 says what was lost
        resource = {"service.name": "hfitd", "service.version": version, "service.instance.id": instance}
        self._provider = TracerProvider(
            resource=Resource.create(resource), sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False
        )
        exporter = _Counting(OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_SECONDS), on_lost)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=_QUEUE_SPANS,
                schedule_delay_millis=_DELAY_MILLISECONDS,
                max_export_batch_size=_BATCH_SPANS,
            )
        )
        self._tracer = self._provider.get_tracer("hfitd", version)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute]) -> Iterator[Span]:
        """See Tracer."""
        with self._tracer.start_as_current_span(
            name, attributes=_told(attributes), record_exception=False, set_status_on_exception=False
        ) as started:
            try:
                yield _Open(started)
            except BaseException as error:
                code = error.code if isinstance(error, HfitError) else type(error).__name__  # 1
                started.set_attribute("error.type", code)
                started.set_status(Status(StatusCode.ERROR))
                raise

    def note(self, name: str, seconds: float, attributes: Mapping[str, Attribute]) -> None:
        """See Tracer."""
        end = time.time_ns()
        span = self._tracer.start_span(name, attributes=_told(attributes), start_time=end - round(seconds * 1e9))
        span.end(end)

    def close(self) -> None:
        """See Tracer."""
        self._provider.shutdown()


class _Open:
    def __init__(self, span: LibrarySpan) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """See Span."""
        self._span.set_attributes(_told(attributes))


class _Counting(SpanExporter):
    """Tells of what could not be sent (2)."""

    def __init__(self, inner: SpanExporter, on_lost: Callable[[int], None]) -> None:
        self._inner = inner
        self._on_lost = on_lost

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._on_lost(len(spans))
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._inner.shutdown()


def _told(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {name: value for name, value in attributes.items() if value != ""}
