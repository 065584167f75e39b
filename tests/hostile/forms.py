"""Multipart bodies as an attacker writes them, each with its Content-Type."""

from collections.abc import Iterator

from tests.support import drawing, encoded

PICTURE = encoded(drawing())
FORM = "multipart/form-data; boundary=limit"
END = b"--limit--\r\n"
Form = tuple[str, str, bytes]  # what is wrong with it, its Content-Type, its body


def part(
    content: bytes = PICTURE, disposition: str = 'form-data; name="file"; filename="a.png"', more: str = ""
) -> bytes:
    """One part of a form."""
    return f"--limit\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n"


WHOLE = part() + END


def boundaries() -> Iterator[Form]:
    """Content-Types that name no boundary, a wrong one, or one that cannot be."""
    for said in (
        "",
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="limit',
        "multipart/form-data; boundary=other",
        "multipart/form-data; boundary=limi",
        "multipart/form-data; boundary=limit--",
        "multipart/form-data; boundary=limit; boundary=other",
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=" + "x" * 30_000,
        "multipart/form-data; boundary*=utf-8''limit",
        "multipart/form-data; boundary*0=li; boundary*1=mit",
        "multipart/form-data; boundary=%6Cimit",
        "multipart/form-data; boundary=\xe4\xf6\xfc",
        "multipart/form-data" + "; a=b" * 5000 + "; boundary=limit",
        "multipart/mixed; boundary=limit",
        "multipart/form-data-evil; boundary=limit",
        "multipart/; boundary=limit",
        "/; boundary=limit",
        "application/x-www-form-urlencoded",
        "application/json",
        "application/zip; boundary=limit",
        "text/plain; charset=utf-7",
        "image/png",
        "; ; ;",
        "\t",
    ):
        yield f"Content-Type {said[:60]!r} of {len(said)}", said, WHOLE
    yield "capitals and spaces", 'MultiPart/Form-Data ;  BOUNDARY = "limit"', WHOLE
    yield "a charset that is none", FORM + "; charset=klingon", WHOLE


def framing() -> Iterator[Form]:
    """Bodies whose boundaries, line ends or parts are not where they should be."""
    bodies = {
        "nothing": b"",
        "no part": END,
        "an end without a start": b"\r\n--limit--",
        "a preamble": b"noise\r\n" * 100 + WHOLE,
        "an epilogue": WHOLE + b"noise\r\n" * 100,
        "a second form behind it": WHOLE * 2,
        "no end": part(),
        "half an end": part() + b"--limit-",
        "cut in the boundary": WHOLE[:4],
        "cut in a header's name": WHOLE[:15],
        "cut in a header's value": WHOLE[:40],
        "cut after the headers": WHOLE[: WHOLE.index(b"\r\n\r\n") + 4],
        "cut in the picture": WHOLE[:200],
        "line feeds alone": WHOLE.replace(b"\r\n", b"\n"),
        "carriage returns alone": WHOLE.replace(b"\r\n", b"\r"),
        "no empty line": WHOLE.replace(b"\r\n\r\n", b"\r\n", 1),
        "a boundary in the picture": part(PICTURE[:50] + b"\r\n--limit\r\n" + PICTURE[50:]) + END,
        "nearly a boundary in the picture": part(PICTURE + b"\r\n--limi" * 20_000) + END,
        "an end in the picture": part(PICTURE[:50] + b"\r\n--limit--\r\n" + PICTURE[50:]) + END,
        "spaces behind the boundary": WHOLE.replace(b"--limit\r\n", b"--limit   \r\n", 1),
        "noise behind the boundary": WHOLE.replace(b"--limit\r\n", b"--limitnoise\r\n", 1),
        "one hyphen": WHOLE[1:],
        "three hyphens": b"-" + WHOLE,
        "only boundaries": b"--limit\r\n" * 50_000,
        "only line ends": b"\r\n" * 500_000,
        "only hyphens": b"-" * 2**20,
        "noise": bytes(range(256)) * 400,
        "a form in a form": part(b"--limit\r\n\r\n" + WHOLE) + END,
    }
    for name, body in bodies.items():
        yield name, FORM, body
    nested = WHOLE
    for depth in range(200):
        nested = part(nested, more=f"Content-Type: multipart/mixed; boundary=l{depth}\r\n") + END
    yield "200 forms in each other", FORM, nested


def headers() -> Iterator[Form]:
    """Headers of parts that are missing, endless, strange or contradict each other."""
    for disposition in (
        "",
        "form-data",
        "attachment; name=file; filename=a.png",
        "form-data; name",
        "form-data; name=",
        'form-data; name="file',
        'form-data; name="FILE"; filename="a.png"',
        'form-data; name="file\0"; filename="a.png"',
        'form-data; name="fi\\"le"; filename="a.png"',
        'form-data; name="file"; name="other"; filename="a.png"',
        "form-data; name*=utf-8''file; filename=a.png",
        "form-data; name*=klingon''file; filename=a.png",
        "form-data; name*=''; filename*=",
        "form-data; name*=utf-8'%ff%fe; filename=a.png",
        'form-data; name="file"; filename="../../../etc/passwd"',
        'form-data; name="file"; filename="/etc/passwd"',
        'form-data; name="file"; filename="C:\\\\Windows\\\\a.png"',
        'form-data; name="file"; filename="a\0.png"',
        'form-data; name="file"; filename=""',
        'form-data; name="file"; filename="' + "n" * 4000 + '"',
        'form-data; name="file"; filename="%0d%0aX-Evil: 1"',
        'form-data; name="file"; filename="<script>alert(1)</script>"',
        'form-data; name="file"; filename="\u202egnp.exe"',
        "form-data; name=\"file\"; filename*=UTF-8''%F0%28%8C%28.png",
        "form-data; name=\"file\"; filename*=klingon''a.png",
        "form-data" + ";" * 4000,
        "form-data; " + "a=b; " * 800 + 'name="file"',
    ):
        yield f"disposition {disposition[:60]!r} of {len(disposition)}", FORM, part(disposition=disposition) + END
    file = b'Content-Disposition: form-data; name="file"; filename="a"'
    for name, written in {
        "no headers": b"",
        "no colon": b"Content-Disposition form-data",
        "no name": b": form-data",
        "a colon alone": b":",
        "a space before the colon": file.replace(b":", b" :"),
        "a folded value": file.replace(b"; ", b";\r\n "),
        "bytes that are no text": file + b"\xff\xfe\x80",
        "NUL in a name": b"Content\0Disposition: form-data",
        "a name of 100000 bytes": b"x" * 100_000 + b": 1",
        "a value of a megabyte": b"X: " + b"x" * 2**20,
        "100000 headers": b"\r\n".join([b"a: b"] * 100_000),
        "two dispositions": b'Content-Disposition: form-data; name="other"\r\n' + file,
        "base64 said": file + b"\r\nContent-Transfer-Encoding: base64",
        "gzip said": file + b"\r\nContent-Encoding: gzip",
        "a length of its own": file + b"\r\nContent-Length: 999999999",
        "a charset that is none": file + b"\r\nContent-Type: text/plain; charset=klingon",
        "a request in it": b"POST /predict HTTP/1.1\r\nHost: x",
    }.items():
        yield name, FORM, b"--limit\r\n" + written + b"\r\n\r\n" + PICTURE + b"\r\n" + END
    yield "headers without end", FORM, b"--limit\r\n" + b"a: b\r\n" * 50_000


def many() -> Iterator[Form]:
    """Very many parts, and parts that hold nothing or too much."""
    other = part(b"x", 'form-data; name="other"')
    for count in (16, 17, 300, 20_000):
        yield f"{count} other fields", FORM, other * count + WHOLE
    for count in (2, 256, 257, 5000):
        yield f"{count} pictures", FORM, part() * count + END
    yield "20000 empty parts", FORM, b"--limit\r\n\r\n\r\n" * 20_000 + END
    yield "an empty file", FORM, part(b"") + END
    yield "1000 empty files", FORM, part(b"") * 1000 + END
    yield "a file of 11 MiB", FORM, part(bytes(11 * 2**20)) + END
    yield "another field of 9 MiB", FORM, part(bytes(9 * 2**20), 'form-data; name="other"') + WHOLE
    yield "text for a file", FORM, part(b"digit.png", 'form-data; name="file"') + END
    yield "the text of 3000 line ends for a file", FORM, part(b"\r\n" * 3000) + END
    yield "_charset_", FORM, part(b"klingon", 'form-data; name="_charset_"') + WHOLE
