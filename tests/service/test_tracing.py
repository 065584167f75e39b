"""Traces, as a collector meets them, and the ids in the log."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service import tracing
from service.settings import Settings, SettingsError
from tests.support import ROOT, Process, drawing, encoded, serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FILES = {"file": encoded(drawing())}


class Collector(ThreadingHTTPServer):
    """Keeps the spans that are posted to it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.service: set[str] = set()
        self.come = threading.Event()
        super().__init__(("127.0.0.1", 0), _Take)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Take(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_arguments: object) -> None:
        """Silence."""

    def do_POST(self) -> None:
        """OTLP over HTTP."""
        content = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            names = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
            self.server.service.update(names)
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def traced(artifacts: Path) -> tuple[list[Any], dict[str, dict[str, Any]]]:
    """The spans of a service that has ended, and its log lines by request id."""
    collector = Collector()
    url = f"http://127.0.0.1:{collector.server_port}"
    with serving(artifacts, traces=url, log="json") as server:
        for path in ("/predict", "/read", "/predict/batch"):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": path}
            assert httpx.post(server.url + path, files=FILES, headers=headers).status_code == 200
        httpx.post(f"{server.url}/predict", files=FILES, headers={"X-Request-ID": "new"})
        not_sampled = {"traceparent": f"00-{TRACE}-{PARENT}-00", "X-Request-ID": "unsampled"}
        httpx.post(f"{server.url}/predict", files=FILES, headers=not_sampled)
        httpx.get(f"{server.url}/health")
        assert server.stop() == 0
    collector.shutdown()
    collector.server_close()
    assert collector.service == {"digitvote"}
    return collector.spans, logged(server)


def logged(server: Process) -> dict[str, dict[str, Any]]:
    """The lines about requests that a service wrote, by the request's id."""
    lines = [json.loads(line) for line in "".join(server.output).splitlines() if line.startswith("{")]
    return {line["request_id"]: line for line in lines if line["event"] == "request"}


@pytest.mark.parametrize("path", ["/predict", "/read", "/predict/batch"])
def test_a_request_is_a_span_with_one_for_each_step(traced: tuple[list[Any], Any], path: str) -> None:
    """It continues the sender's trace; decode, queue, inference and vote follow each other within it."""
    spans, lines = traced
    (request,) = [span for span in spans if span.name == f"POST {path}" and span.trace_id.hex() == TRACE]
    assert request.parent_span_id.hex() == PARENT
    assert (lines[path]["trace_id"], lines[path]["span_id"]) == (TRACE, request.span_id.hex())
    within = [span for span in spans if span.parent_span_id == request.span_id]
    steps = sorted(within, key=lambda span: int(span.start_time_unix_nano))
    assert [step.name for step in steps] == ["decode", "queue", "inference", "vote"]
    assert all(step.start_time_unix_nano <= step.end_time_unix_nano for step in steps)
    slack = 2_000_000  # ns, of which each step's clock may be set off against the others'
    for before, after in pairwise(steps):
        assert before.end_time_unix_nano <= after.start_time_unix_nano + slack
    assert request.start_time_unix_nano <= steps[0].start_time_unix_nano + slack
    assert steps[-1].end_time_unix_nano <= request.end_time_unix_nano + slack


def test_a_request_without_a_trace_begins_one(traced: tuple[list[Any], dict[str, Any]]) -> None:
    """Its id is in the log; what is not sampled is not sent, and its trace's id is logged all the same."""
    spans, lines = traced
    assert lines["new"]["trace_id"] in {span.trace_id.hex() for span in spans} - {TRACE}
    assert lines["unsampled"]["trace_id"] == TRACE
    assert len([span for span in spans if not span.parent_span_id]) == 1
    assert not [span for span in spans if "/health" in span.name]


def test_without_traces_the_senders_ids_are_logged(artifacts: Path) -> None:
    """A well-formed traceparent stands in the request's line; another leaves no word of it."""
    with serving(artifacts, log="json") as server:
        for identity, parent in {
            "good": f"00-{TRACE}-{PARENT}-01",
            "next": f"01-{TRACE}-{PARENT}-00-more",
            "bad": f"00-{TRACE}-{'0' * 16}-01",
            "upper": f"00-{TRACE.upper()}-{PARENT}-01",
            "none": "",
        }.items():
            httpx.get(f"{server.url}/models", headers={"traceparent": parent, "X-Request-ID": identity})
        server.stop()
    lines = logged(server)
    assert [name for name, line in lines.items() if "trace_id" in line] == ["good", "next"]
    assert {(lines[name]["trace_id"], lines[name]["span_id"]) for name in ("good", "next")} == {(TRACE, PARENT)}


def test_a_collector_that_is_not_there_keeps_nobody(artifacts: Path) -> None:
    """Requests are answered, and the service ends in good order."""
    with serving(artifacts, traces="http://127.0.0.1:9") as server:
        assert httpx.post(f"{server.url}/predict", files=FILES).status_code == 200
        assert server.stop() == 0


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are asked for are not left out in silence; where nobody asks, nothing is needed."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert tracing.provider(Settings()) is None
    with pytest.raises(SettingsError, match=r"pip install 'digitvote\[otel\]'"):
        tracing.provider(Settings(traces="http://127.0.0.1:4318"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    with pytest.raises(SettingsError):
        tracing.provider(Settings())


def test_where_nobody_asks_the_sdk_is_not_imported() -> None:
    """The service starts no slower for it."""
    code = """
import sys
from service.app import create_app
from service.settings import Settings
create_app(Settings())
sys.exit(any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
