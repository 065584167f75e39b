"""ZIP archives as an attacker packs them."""

import io
import struct
import warnings
from collections.abc import Iterator
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

from tests.support import drawing, encoded

PICTURE = encoded(drawing())
_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def packed(members: dict[str, bytes], method: int = ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """Members as an archive, with the same date always."""
    file = io.BytesIO()
    with ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(ZipInfo(name), content, method)
    return file.getvalue()


def patched(content: bytes, record: bytes, offset: int, value: bytes) -> bytes:
    """An archive with some bytes of a record's first occurrence replaced."""
    at = content.rindex(record) if record == _END else content.index(record)
    return content[: at + offset] + value + content[at + offset + len(value) :]


def cut() -> Iterator[tuple[str, bytes]]:
    """Cut in each record."""
    whole = packed({"1.png": PICTURE, "2.png": PICTURE})
    first, second = whole.index(_CENTRAL), whole.index(_CENTRAL, whole.index(_CENTRAL) + 4)
    end = whole.rindex(_END)
    for at in (4, 20, 30, 40, first // 2, first, first + 20, second, second + 45, end, end + 4, end + 21):
        yield f"cut at {at} of {len(whole)}", whole[:at]
    yield "its first half is missing", whole[first // 2 :]
    yield "only the list of members", whole[first:]


def lies() -> Iterator[tuple[str, bytes]]:
    """Records that say what is not so."""
    whole = packed({"1.png": PICTURE})
    for length in (0, 1, len(PICTURE) * 2, 2**31, 2**32 - 1):
        said = struct.pack("<I", length)
        yield f"unpacked {length} bytes said", patched(whole, _CENTRAL, 24, said)
        yield f"packed {length} bytes said", patched(whole, _CENTRAL, 20, said)
        yield f"packed {length} bytes said beside it", patched(whole, _LOCAL, 18, said)
        yield f"begins at {length}", patched(whole, _CENTRAL, 42, said)
        yield f"list of {length} bytes", patched(whole, _END, 12, said)
        yield f"list at {length}", patched(whole, _END, 16, said)
    for count in (0, 2, 65535):
        yield f"{count} members said", patched(whole, _END, 8, struct.pack("<HH", count, count))
        yield f"a name of {count} bytes", patched(whole, _CENTRAL, 28, struct.pack("<H", count))
        yield f"more of {count} bytes", patched(whole, _CENTRAL, 30, struct.pack("<H", count))
    for method in (1, 9, 12, 14, 93, 95, 99, 65535):
        yield f"method {method} said", patched(whole, _CENTRAL, 10, struct.pack("<H", method))
        yield f"method {method} said beside it", patched(whole, _LOCAL, 8, struct.pack("<H", method))
    for flags in (1, 0x08, 0x20, 0x40, 0x2000, 0xFFFF):
        yield f"flags {flags:04x}", patched(whole, _CENTRAL, 8, struct.pack("<H", flags))
    yield "a wrong checksum", patched(whole, _CENTRAL, 16, b"nope")
    yield "another name beside it", patched(whole, _LOCAL, 30, b"9.png")
    yield "a date that is none", patched(whole, _CENTRAL, 12, b"\xff\xff\xff\xff")
    yield "version 255 needed", patched(whole, _CENTRAL, 6, b"\xff\0")
    yield "noise before it", b"noise" * 100 + whole
    yield "noise behind it", whole + b"noise" * 100
    yield "noise in its data", whole[:50] + b"\xff" * 40 + whole[90:]
    yield "a comment of 65535 bytes", packed({"1.png": PICTURE}, comment=b"x" * 65535)
    yield "a comment that is an end", packed({"1.png": PICTURE}, comment=whole[-22:])
    wide = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 2**40)
    wide += b"PK\6\7" + struct.pack("<IQI", 0, len(whole), 1)
    yield "a ZIP64 of a trillion members", whole[:-22] + wide + patched(whole, _END, 8, b"\xff" * 12)[-22:]


def names() -> Iterator[tuple[str, bytes]]:
    """Names that lead out, or are none."""
    for name in (
        "../../../../etc/passwd",
        "/etc/passwd",
        "C:\\Windows\\system32\\a.png",
        "..\\..\\a.png",
        "a/../../a.png",
        "\\\\host\\share\\a.png",
        "con.png",
        "a\nb.png",
        "\u202egnp.exe",
        "\ud7ff\U0010ffff.png",
        " ",
        "~root/a.png",
        "%2e%2e%2fa.png",
        "<script>alert(1)</script>.png",
        "n" * 60_000,
        "d/" * 30_000 + "a.png",
    ):
        yield f"named {name[:30]!r}", packed({name: PICTURE})
    yield "named by no bytes", packed({"": PICTURE})
    yield "named by bytes that are no text", patched(packed({"12345": PICTURE}), _CENTRAL, 46, b"\xff\xfe\x80\0\x81")
    link = ZipInfo("link.png")
    link.external_attr = 0xA1FF << 16
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    yield "a link to a file of ours", file.getvalue()
    file = io.BytesIO()
    with ZipFile(file, "w") as archive, warnings.catch_warnings(action="ignore"):
        for _ in range(20):
            archive.writestr(ZipInfo("same.png"), PICTURE)
    yield "20 of one name", file.getvalue()
    yield "only folders", packed({"a/": b"", "a/b/": b""})
    yield "only hidden files", packed({"__MACOSX/._a.png": PICTURE, ".DS_Store": b"x"})


def bombs() -> Iterator[tuple[str, bytes]]:
    """Few bytes that ask for much memory or time."""
    for name, method in [("deflate", ZIP_DEFLATED), ("bzip2", ZIP_BZIP2), ("LZMA", ZIP_LZMA)]:
        yield f"30 MiB by {name}", packed({"1.png": bytes(30 * 2**20)}, method)
    yield "200 of a megabyte", packed({f"{number}.png": bytes(2**20) for number in range(200)})
    yield "60 of a megabyte", packed({f"{number}.png": bytes(2**20) for number in range(60)})
    for count in (257, 5000, 65_000):
        yield f"{count} empty members", packed({f"{number}": b"" for number in range(count)}, ZIP_STORED)
    inner = packed({"1.png": bytes(2**20)})
    for _ in range(5):
        inner = packed({f"{number}.zip": inner for number in range(8)})
    yield "archives in archives", inner
    whole = packed({"1.png": bytes(2**20)})
    at, end = whole.index(_CENTRAL), whole.rindex(_END)
    overlapping = whole[:at] + whole[at:end] * 200
    tail = patched(whole, _END, 8, struct.pack("<HHII", 200, 200, (end - at) * 200, at))[-22:]
    yield "200 members that are one", overlapping + tail
    yield "an empty archive", _END + bytes(18)
    yield "20000 ends", (_END + bytes(18)) * 20_000
