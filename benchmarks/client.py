"""A process that posts its standard input over and over, and prints each answer as a line of JSON.

Plain asyncio protocols with the request's bytes written once: some 60 µs of a core a request, so that what is measured
is the server. In a closed loop (`--clients`) each client sends again once it has its answer; in an open one (`--rates`)
requests are sent when they are due, whatever became of those before.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_RETRY = re.compile(rb"retry-after:", re.IGNORECASE)
_BATCH = re.compile(rb'"batch_size": ?(\d+)')
_PATIENCE = 10.0  # seconds that an answer may take


class Answer(NamedTuple):
    """What became of one request; in seconds, `due` from the start and `took` from then to the answer's last byte."""

    due: float
    took: float
    status: int  # 0: none came
    right: bool  # holds the text that it must hold
    batch: int  # 0: not told
    retry: bool  # has a Retry-After


class Connection(asyncio.Protocol):
    """One keep-alive connection, for one request at a time."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._whole: asyncio.Future[bytes] | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, request: bytes) -> bytes:
        """Send a request and wait for its whole answer; no bytes if the connection is lost before."""
        self._bytes.clear()
        self._whole = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._whole

    def data_received(self, data: bytes) -> None:
        """Hand out an answer once it is whole."""
        self._bytes += data
        head = self._bytes.find(b"\r\n\r\n")
        length = _LENGTH.search(self._bytes, 0, head) if head >= 0 else None
        if length and len(self._bytes) >= head + 4 + int(length[1]):
            self._end(bytes(self._bytes))

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self.open = False
        self._end(b"")

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _end(self, answer: bytes) -> None:
        if self._whole and not self._whole.done():
            self._whole.set_result(answer)


class Client:
    """Posts one body to one address, and remembers what came of it."""

    def __init__(self, port: int, request: bytes, expected: bytes) -> None:
        self._port, self._request, self._expected = port, request, expected
        self._start = time.perf_counter()
        self._free: list[Connection] = []
        self.answers: list[Answer] = []

    async def closed(self, clients: int, seconds: float) -> None:
        """Keep as many requests in flight for a time."""

        async def one() -> None:
            while (now := time.perf_counter() - self._start) < seconds:
                await self._post(now)

        await asyncio.gather(*(one() for _ in range(clients)))

    async def open(self, phases: Sequence[tuple[float, float]]) -> None:
        """Send at each phase's rate for its seconds, evenly."""
        begin, tasks = 0.0, []
        for rate, seconds in phases:
            for number in range(round(rate * seconds)):
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - (time.perf_counter() - self._start)))
                tasks.append(asyncio.create_task(self._post(due)))
            begin += seconds
        await asyncio.gather(*tasks)

    async def _post(self, due: float) -> None:
        answer = b""
        try:
            async with asyncio.timeout(_PATIENCE):
                connection = await self._connection()
                answer = await connection.ask(self._request)
            if connection.open:
                self._free.append(connection)
        except (OSError, TimeoutError):
            pass
        batch = _BATCH.search(answer)
        self.answers.append(
            Answer(
                round(due, 6),
                round(time.perf_counter() - self._start - due, 6),
                int(answer[9:12] or 0),
                self._expected in answer,
                int(batch[1]) if batch else 0,
                _RETRY.search(answer) is not None,
            )
        )

    async def _connection(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if connection.open:  # the server ends those that are idle for long
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return connection


def written(path: str, body: bytes, content_type: str) -> bytes:
    """A POST, written out."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {content_type}\r\n\r\n"
    return head.encode() + body


def main() -> None:
    """Post as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("content_type")
    parser.add_argument("expected", help="text that each answer must hold")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rates", nargs="*", metavar="RATE:SECONDS", help="an open loop of these phases")
    told = parser.parse_args()
    request = written(told.path, sys.stdin.buffer.read(), told.content_type)

    async def run() -> Client:
        client = Client(told.port, request, told.expected.encode())
        if told.rates:
            await client.open([(float(rate), float(length)) for rate, length in (one.split(":") for one in told.rates)])
        else:
            await client.closed(told.clients, told.seconds)
        return client

    for answer in asyncio.run(run()).answers:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
