"""OpenTelemetry traces: FastAPI's span of each request, and within it one of each step that its pictures go through.

They are sent by OTLP over HTTP where DIGITVOTE_TRACES says, if the extra `otel` is installed; else nothing is done.
"""

import asyncio
import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.types import Scope

from service.engine.queue import Counted
from service.settings import Settings, SettingsError

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_UNTRACED = ("/health", "/metrics", "/static/", "/v2/health")  # probes, and what pages load
_FLUSH = 5  # seconds in which the last spans are to be sent when the service ends

_tracer: "Tracer | None" = None


def provider(settings: Settings) -> "TracerProvider | None":
    """What makes the spans, not sending any yet; None where nobody asked for them.

    Raises:
        SettingsError: if they are asked for and the extra `otel` is not installed.
    """
    if not settings.traces and not any(os.environ.get(name) for name in _VARIABLES):
        return None
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError as error:
        raise SettingsError(
            f"DIGITVOTE_TRACES={settings.traces or ''!r}: traces need packages that are not installed ({error}). "
            "Install them by pip install 'digitvote[otel]', or unset it and OTEL_EXPORTER_OTLP_ENDPOINT."
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", "digitvote")
    resource = Resource.create({"service.name": name, "service.version": version("digitvote")})
    return TracerProvider(resource=resource, shutdown_on_exit=False)


def telemetry(provider: "TracerProvider | None") -> "TelemetryConfig":
    """What FastAPI is to do: the request's span alone, and none of its own metrics and logs."""
    return {
        "tracer_provider": provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": lambda scope: scope["path"].startswith(_UNTRACED),
    }


def start(provider: "TracerProvider | None", settings: Settings) -> None:
    """Begin to send spans; this starts a thread, so not before the workers are forked."""
    global _tracer
    if provider is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    endpoint = f"{settings.traces.rstrip('/')}/v1/traces" if settings.traces else None
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    _tracer = provider.get_tracer("digitvote", version("digitvote"))


async def stop(provider: "TracerProvider | None") -> None:
    """Send what is left, in a few seconds or not at all."""
    global _tracer
    if provider is None:
        return
    _tracer = None
    loop, sent = asyncio.get_running_loop(), asyncio.Event()

    def send() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(sent.set)

    # A daemon: a collector that does not answer keeps nobody.
    threading.Thread(target=send, daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(sent.wait(), _FLUSH)


def ids(scope: Scope) -> dict[str, object]:
    """The ids of a request's trace and span for its line in the log: its own, else those that it came with."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        context = get_current_span().get_span_context()
        if context.is_valid:
            return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    for name, value in scope["headers"]:
        if name == b"traceparent" and (found := _PARENT.fullmatch(value)):
            return {"trace_id": found[1].decode(), "span_id": found[2].decode()}
    return {}


def decoded(started: float) -> None:
    """Tell of a picture that was decoded just now, begun at a time of `perf_counter`."""
    if _tracer is not None:
        _step(_tracer, "decode", started, time.perf_counter())


def voted(counted: Sequence[Counted]) -> None:
    """Tell of the batches in which pictures of one request were."""
    if _tracer is None:
        return
    batches: dict[float, list[Counted]] = {}
    for each in counted:
        batches.setdefault(each.taken, []).append(each)
    for taken, together in batches.items():
        one = together[0]
        done = taken + one.inference_seconds
        told = {"digitvote.batch_size": one.batch_size, "digitvote.pictures": len(together)}
        _step(_tracer, "queue", taken - max(each.queue_seconds for each in together), taken)
        _step(_tracer, "inference", taken, done - one.vote_seconds, told)
        _step(_tracer, "vote", done - one.vote_seconds, done)


def _step(tracer: "Tracer", name: str, start: float, end: float, told: dict[str, int] | None = None) -> None:
    """A span within the request's, from and to times of `perf_counter`."""
    offset = time.time_ns() - time.perf_counter_ns()
    span = tracer.start_span(name, start_time=offset + int(start * 1e9), attributes=told)
    span.end(offset + int(end * 1e9))
