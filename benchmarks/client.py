"""A process that sends one request over and over on keep-alive connections and prints what came of it, as JSON.

Plain asyncio protocols with the request's bytes written once: about 50 µs of a core a request, so that what is
measured is the server.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_BATCH = re.compile(rb'"batch_size":(\d+)')


@dataclass
class Tally:
    """What came back within the measured seconds: latencies in ms, and the batch size of each receipt."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    errors: int = 0


class Client(asyncio.Protocol):
    """One connection: sends the request, and again as soon as the whole answer is there."""

    def __init__(self, request: bytes, tally: Tally, begin: float, end: float) -> None:
        self._request, self._tally, self._begin, self._end = request, tally, begin, end
        self._answer = bytearray()
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole."""
        self._answer += data
        head = self._answer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._answer, 0, head)
        if length and len(self._answer) < head + 4 + int(length[1]):
            return
        now = time.perf_counter()
        if self._begin <= self._sent and now <= self._end:
            self._count(now, valid=bool(length) and self._answer.startswith(b"HTTP/1.1 200 "))
        self._answer.clear()
        if now < self._end:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """End; a connection that the server closed before the time is an error."""
        if error or time.perf_counter() < self._end:
            self._tally.errors += 1
        self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _count(self, now: float, *, valid: bool) -> None:
        if not valid:
            self._tally.errors += 1
            return
        self._tally.latencies.append(round((now - self._sent) * 1e3, 3))
        if batch := _BATCH.search(self._answer):
            self._tally.batches.append(int(batch[1]))


def request(path: str, picture: bytes) -> bytes:
    """A POST of a PNG as the multipart field `file`, written out."""
    line = b"digitvote-benchmark"
    body = (
        b"--" + line + b'\r\nContent-Disposition: form-data; name="file"; filename="digit.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + picture + b"\r\n--" + line + b"--\r\n"
    )
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={line.decode()}\r\n\r\n"
    )
    return head.encode() + body


async def measure(port: int, content: bytes, clients: int, seconds: float, warm_up: float) -> Tally:
    """Keep `clients` requests in flight; count those sent after the warm-up and answered before the end."""
    tally = Tally(seconds)
    begin = time.perf_counter() + warm_up
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Client(content, tally, begin, begin + seconds), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.wait([client.done for _, client in made], timeout=warm_up + seconds + 10)
    tally.errors += sum(not client.done.done() for _, client in made)  # never answered
    return tally


def main() -> None:
    """Measure as told by the arguments, with the picture from stdin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    told = parser.parse_args()
    content = request(told.path, sys.stdin.buffer.read())
    tally = asyncio.run(measure(told.port, content, told.clients, told.seconds, told.warm_up))
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
