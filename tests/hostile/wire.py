"""Whole requests as an attacker writes them on a socket: lengths, chunks and headers that HTTP does not allow."""

from collections.abc import Iterator

from tests.hostile.forms import FORM, WHOLE


def head(*more: str, path: str = "/predict", method: str = "POST", version: str = "HTTP/1.1") -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} {version}", "Host: x", f"Content-Type: {FORM}", "Connection: close", *more]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def chunked(*pieces: bytes) -> bytes:
    """Pieces as chunks, with the last one."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


_LENGTH = f"Content-Length: {len(WHOLE)}"
_CHUNKED = "Transfer-Encoding: chunked"


def lengths() -> Iterator[tuple[str, bytes]]:
    """Lengths that do not fit the body; where more is said than comes, the connection stays open."""
    yield "none", head() + WHOLE
    for said in ("0", "10", str(len(WHOLE) - 2), str(len(WHOLE) + 1), str(2**20), str(2**40), str(2**63), "9" * 100):
        yield f"{said[:30]} said", head(f"Content-Length: {said}") + WHOLE
    for said in ("-1", "+5", "0x10", "1e3", "", " ", "ten", "5, 5", "5;q=1", "\xb2"):
        yield f"{said!r} said", head(f"Content-Length: {said}") + WHOLE
    yield "two that agree", head(_LENGTH, _LENGTH) + WHOLE
    yield "two that differ", head(_LENGTH, "Content-Length: 3") + WHOLE
    yield "a length and chunks", head(_LENGTH, _CHUNKED) + chunked(WHOLE)
    yield "a length beyond the limit", head("Content-Length: 99999999") + WHOLE[:50]


def chunks() -> Iterator[tuple[str, bytes]]:
    """Chunks that lie, swell or do not end."""
    start = head(_CHUNKED)
    yield "right ones", start + chunked(WHOLE[:9], WHOLE[9:])
    yield "a byte each", start + chunked(*(WHOLE[at : at + 1] for at in range(len(WHOLE))))
    yield "none", start + chunked()
    yield "no last one", start + chunked(WHOLE)[:-5]
    for size in (b"-1", b"g", b"", b"0x5", b"ffffffffffffffffffff", b"7fffffffffffffff", b"0" * 5000 + b"5"):
        yield f"of size {size[:30].decode()!r}", start + size + b"\r\n" + WHOLE + b"\r\n0\r\n\r\n"
    yield "with extensions of 60000 bytes", start + b"5;" + b"x" * 60_000 + b"\r\nhello\r\n0\r\n\r\n"
    yield "with 20000 trailers", start + chunked(WHOLE)[:-2] + b"a: b\r\n" * 20_000 + b"\r\n"
    yield "shorter than said", start + b"ff\r\nhello\r\n0\r\n\r\n"
    yield "longer than said", start + b"2\r\n" + WHOLE + b"\r\n0\r\n\r\n"
    yield "over the limit", start + chunked(*[bytes(2**20)] * 11)
    for coding in ("gzip", "chunked, gzip", "gzip, chunked", "identity", "chunked, chunked", "xchunked", "\x0bchunked"):
        yield f"coding {coding!r}", head(f"Transfer-Encoding: {coding}") + chunked(WHOLE)
    yield "gzip said of the body", head(_LENGTH, "Content-Encoding: gzip") + WHOLE


def requests() -> Iterator[tuple[str, bytes]]:
    """Lines, headers and paths that are strange, long or forbidden."""
    yield "nothing but line ends", b"\r\n" * 100
    yield "half a head", head(_LENGTH)[:40]
    yield "line ends before it", b"\r\n" * 100 + head(_LENGTH) + WHOLE
    yield "a boundary of control characters", head(_LENGTH).replace(b"=limit", b"=\1\2") + WHOLE
    yield "noise", bytes(range(256)) * 10
    yield "a TLS hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500)
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(40)
    yield "HTTP/0.9", b"GET /\r\n\r\n"
    yield "HTTP/9.9", head(_LENGTH, version="HTTP/9.9") + WHOLE
    yield "HTTP/1.0", head(_LENGTH, version="HTTP/1.0") + WHOLE
    for method in ("BREW", "post", "TRACE", "CONNECT", "OPTIONS", "PUT", "DELETE", "X" * 5000):
        yield f"method {method[:20]}", head(_LENGTH, method=method) + WHOLE
    for path in (
        "/predict/",
        "//predict",
        "/predict/../predict",
        "/%2e%2e/etc/passwd",
        "/static/../app.py",
        "/\xff",
        "*",
    ):
        yield f"path {path!r}", head(_LENGTH, path=path) + WHOLE
    yield "static out of its folder", head(method="GET", path="/static/%2e%2e/%2e%2e/pyproject.toml")
    yield "a report out of its folder", head(method="GET", path="/report/mlp/1/..%2f..%2f..%2fpyproject.toml")
    yield "a report of version 10^30", head(method="GET", path=f"/report/mlp/{10**30}/a.png")
    yield "a report of 10^5000", head(method="GET", path=f"/report/mlp/{'9' * 5000}/a.png")
    yield "a path of 60000 bytes", head(method="GET", path="/" + "x" * 60_000)
    yield "a query of 60000 bytes", head(_LENGTH, path="/predict?explain=" + "x" * 60_000) + WHOLE
    for query in (
        "explain=maybe",
        "explain=true&explain=false",
        "explain",
        "%00=%ff",
        "explain=%ff",
        "&&&=&",
        "explain[]=1",
    ):
        yield f"query {query}", head(_LENGTH, path=f"/predict?{query}") + WHOLE
        yield f"query {query} of read", head(_LENGTH, path=f"/read?{query}") + WHOLE
    yield "20000 headers", head(_LENGTH, *["a: b"] * 20_000) + WHOLE
    yield "a header of 200000 bytes", head(_LENGTH, "X: " + "x" * 200_000) + WHOLE
    yield "an id of 5000 bytes", head(_LENGTH, "X-Request-ID: " + "x" * 5000) + WHOLE
    yield "an id that ends its line", head(_LENGTH, "X-Request-ID: a\x0bb\x7f") + WHOLE
    yield "an id that is no ASCII", head(_LENGTH, "X-Request-ID: \xe4\xff") + WHOLE
    for accept in ("text/html", "application/x-ndjson", "x" * 5000, "\xff", "*/*;q=nan", ",,,;;;q="):
        yield f"accept {accept[:30]!r}", head(_LENGTH, f"Accept: {accept}") + WHOLE
    yield "two hosts", head(_LENGTH, "Host: y") + WHOLE
    yield "an upgrade", head(_LENGTH, "Upgrade: websocket", "Sec-WebSocket-Key: x") + WHOLE
    yield "a folded header", head(_LENGTH, "X: a\r\n b") + WHOLE
    yield "a space before the colon", head("Content-Length : 5") + WHOLE
    yield "expect what is not known", head(_LENGTH, "Expect: 1000-miracle") + WHOLE
    yield "two requests at once", head(_LENGTH).replace(b"Connection: close\r\n", b"") + WHOLE + head(_LENGTH) + WHOLE
    yield "a smuggled one", head("Content-Length: 4", _CHUNKED) + b"0\r\n\r\n" + head(method="GET", path="/metrics")
