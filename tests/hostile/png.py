"""PNG files as an attacker writes them: cut, lying, swollen, out of order."""

import struct
import zlib
from collections.abc import Iterator

from tests.damage import files

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"


def chunk(kind: bytes, data: bytes = b"", *, crc: int | None = None) -> bytes:
    """One chunk, with its own checksum unless another is given."""
    checksum = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def header(width: int = 28, height: int = 28, depth: int = 8, colour: int = 0, rest: bytes = b"\0\0\0") -> bytes:
    """An IHDR."""
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest)


def rows(height: int = 28, row: bytes = b"\0" + bytes(14) + b"\xff" * 14) -> bytes:
    """Rows of a picture, with the byte of their filter, as an IDAT holds them."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(row) for _ in range(height)) + packer.flush()


def data(height: int = 28, row: bytes = b"\0" + bytes(14) + b"\xff" * 14) -> bytes:
    """An IDAT."""
    return chunk(b"IDAT", rows(height, row))


def png(*chunks: bytes) -> bytes:
    """Chunks as a file."""
    return b"".join([_SIGNATURE, *chunks, _END])


def walked(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind and where it begins and ends."""
    at = len(_SIGNATURE)
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        yield content[at + 4 : at + 8], at, at + 12 + length
        at += 12 + length


def cut() -> Iterator[tuple[str, bytes]]:
    """Cut before each chunk, in its head, in its data and in its checksum."""
    for name in ("PNG", "PNG, palette", "PNG, animated"):
        content = files()[name]
        for number, (kind, start, end) in enumerate(walked(content)):
            for part, at in (
                ("before", start),
                ("head of", start + 6),
                ("in", (start + end) // 2),
                ("end of", end - 2),
            ):
                yield f"{name}: {part} chunk {number} {kind.decode()}", content[:at]


def lies() -> Iterator[tuple[str, bytes]]:
    """Headers and checksums that do not fit what follows."""
    for width, height in [(0, 28), (28, 0), (0, 0), (2**31 - 1, 1), (2**32 - 1, 2**32 - 1), (65535, 65535), (29, 28)]:
        yield f"says {width} x {height}", png(header(width, height), data())
    yield "says twice the rows", png(header(28, 56), data())
    yield "says half the rows", png(header(28, 14), data())
    for depth, colour in [(0, 0), (3, 0), (16, 0), (255, 0), (8, 1), (8, 2), (8, 5), (8, 6), (8, 255), (4, 6)]:
        yield f"says depth {depth} of colour {colour}", png(header(depth=depth, colour=colour), data())
    for rest in (b"\1\0\0", b"\0\1\0", b"\0\0\1", b"\0\0\x09"):
        yield f"says method {rest.hex()}", png(header(rest=rest), data())
    whole = png(header(), data())
    for number, (kind, _, end) in enumerate(walked(whole)):
        yield f"wrong checksum of {number} {kind.decode()}", whole[: end - 4] + b"nope" + whole[end:]
    for length in (0, 12, 2**31 - 1, 2**32 - 1):
        yield f"IHDR says {length} bytes", _SIGNATURE + struct.pack(">I", length) + whole[12:]
    at = len(_SIGNATURE + header())
    for length in (0, 1, 2**31, 2**32 - 1):
        yield f"IDAT says {length} bytes", whole[:at] + struct.pack(">I", length) + whole[at + 4 :]


def disorder() -> Iterator[tuple[str, bytes]]:
    """Chunks that are missing, doubled, strange or in another order."""
    good = rows()
    yield "nothing but a signature", _SIGNATURE
    yield "nothing but an end", png()
    yield "no header", png(data())
    yield "no data", png(header())
    yield "no end", _SIGNATURE + header() + data()
    yield "data before the header", png(data(), header())
    yield "two headers", png(header(), header(14, 14), data())
    yield "all twice", png(header(), data()) * 2
    yield "empty data", png(header(), chunk(b"IDAT"))
    yield "5000 empty data", png(header(), chunk(b"IDAT") * 5000, data())
    yield "data a byte each", png(header(), *(chunk(b"IDAT", good[at : at + 1]) for at in range(len(good))))
    yield "data that is no zlib", png(header(), chunk(b"IDAT", b"zlib" * 50))
    yield "data with a wrong Adler", png(header(), chunk(b"IDAT", good[:-4] + b"nope"))
    yield "data that needs a dictionary", png(header(), chunk(b"IDAT", b"\x78\xbb" + good[2:]))
    yield "rows with filter 9", png(header(), data(row=b"\x09" + bytes(28)))
    yield "an unknown critical chunk", png(header(), chunk(b"EVIL", b"x" * 99), data())
    yield "a chunk with no name", png(header(), chunk(b"\0\0\0\0"), data())
    yield "20000 words", png(header(), chunk(b"tEXt", b"a\0b") * 20_000, data())
    yield "a word of a megabyte", png(header(), chunk(b"tEXt", b"a\0" + b"b" * 2**20), data())
    for kind in (b"tRNS", b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL"):
        yield f"empty {kind.decode()}", png(header(), chunk(kind), data())
        yield f"{kind.decode()} of noise", png(header(), chunk(kind, bytes(range(1, 200))), data())


def palettes() -> Iterator[tuple[str, bytes]]:
    """Palettes that are missing, short, long or late."""
    paletted = header(colour=3)
    indices = data(row=b"\0" + bytes(14) + b"\xff" * 14)
    yield "no palette", png(paletted, indices)
    for length in (0, 1, 3, 6, 767, 771, 3 * 2**16, 3 * 2**20):
        yield f"a palette of {length} bytes", png(paletted, chunk(b"PLTE", bytes(length)), indices)
    yield "two palettes", png(paletted, chunk(b"PLTE", bytes(768)) * 2, indices)
    yield "a palette after the data", png(paletted, indices, chunk(b"PLTE", bytes(768)))
    yield "a palette for gray", png(header(), chunk(b"PLTE", bytes(768)), data())
    yield "transparency before its palette", png(paletted, chunk(b"tRNS", bytes(9)), chunk(b"PLTE", bytes(6)), indices)
    yield "more transparency than palette", png(paletted, chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(300)), indices)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Few bytes that ask for much memory or time."""
    zeros = rows(64, bytes(2**20))  # 64 MiB in 64 KiB
    yield "64 MiB of rows for 28", png(header(), chunk(b"IDAT", zeros))
    yield "a zTXt of 64 MiB", png(header(), chunk(b"zTXt", b"a\0\0" + zeros), data())
    yield "70 zTXt of 1 MiB", png(header(), chunk(b"zTXt", b"a\0\0" + rows(1, bytes(2**20 - 1))) * 70, data())
    yield "an iTXt of 64 MiB", png(header(), chunk(b"iTXt", b"a\0\1\0\0\0" + zeros), data())
    yield "an iCCP of 64 MiB", png(header(), chunk(b"iCCP", b"a\0\0" + zeros), data())
    yield "900 megapixels of bits", png(header(30_000, 30_000, 1), data(1))
    yield "39 megapixels of bits, blank", png(header(6300, 6200, 1), data(6200, bytes(789)))
    yield "39 megapixels of gray, blank", png(header(6300, 6200), data(6200, bytes(6301)))
    yield "39 megapixels of gray, interlaced", png(header(6300, 6200, rest=b"\0\0\1"), data(6200, bytes(6301)))
    yield "39 megapixels of 64 bits", png(header(6300, 6200, 16, 6), data(4, bytes(50_401)))
    yield "a row of 39 million", png(header(39_000_000, 1, 1), data(1, b"\0" + b"\x0f" * 4_875_000))
    yield "a column of 9 million", png(header(1, 9_000_000, 1), data(9, b"\0\x80" * 1_000_000))
    frames = b"".join(chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 28, 28, 0, 0, 1, 1, 0, 0)) for n in range(20_000))
    yield "20000 frames", png(header(), chunk(b"acTL", struct.pack(">II", 20_000, 0)), frames, data())
    for count in (0, 2**31, 2**32 - 1):
        yield f"says {count} frames", png(header(), chunk(b"acTL", struct.pack(">II", count, 0)), data())
    outside = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2**31, 2**31, 2**31, 2**31, 1, 1, 9, 9))
    yield "a frame outside", png(header(), chunk(b"acTL", struct.pack(">II", 2, 0)), outside, data())
