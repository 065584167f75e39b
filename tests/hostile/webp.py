"""WebP files as an attacker writes them."""

import struct
from collections.abc import Iterator

from tests.damage import files
from tests.hostile import exif


def webp() -> Iterator[tuple[str, bytes]]:
    """Cut in each chunk, sizes that lie, chunks out of order."""
    for name in ("WEBP", "WEBP, lossless, transparent", "WEBP, animated"):
        content = files()[name]
        at = 12
        while at < len(content):
            kind, length = struct.unpack_from("<4sI", content, at)
            yield f"{name}: before {kind.decode().strip()} at {at}", content[:at]
            yield f"{name}: in {kind.decode().strip()} at {at}", content[: at + 8 + length // 2]
            at += 8 + length + length % 2
    whole = files()["WEBP"]
    for length in (0, 4, 2**31, 2**32 - 1):
        yield f"RIFF says {length}", whole[:4] + struct.pack("<I", length) + whole[8:]
        yield f"its chunk says {length}", whole[:16] + struct.pack("<I", length) + whole[20:]
    for said in (0, 1, 0x3FFF, 0xFFFF):
        yield f"says {said} a side", whole[:26] + struct.pack("<HH", said, said) + whole[30:]
    for name, side in [("16 megapixels", 2**12 - 1), ("4 billion", 2**16 - 1), ("281 trillion", 2**24 - 1)]:
        canvas = b"\x12\0\0\0" + side.to_bytes(3, "little") * 2
        yield f"a canvas of {name}", riff(b"VP8X" + struct.pack("<I", 10) + canvas + whole[12:])
        frame = struct.pack("<4sI", b"ANMF", len(whole) + 4) + bytes(16) + whole[12:]
        loop = b"ANIM" + struct.pack("<I", 6) + bytes(6)
        yield f"an animation of {name}", riff(b"VP8X" + struct.pack("<I", 10) + canvas + loop + frame)
    yield (
        "10000 empty frames",
        riff(files()["WEBP, animated"][12:] + (b"ANMF" + struct.pack("<I", 16) + bytes(16)) * 10_000),
    )
    yield "lossless noise", riff(b"VP8L" + struct.pack("<I", 200) + b"\x2f" + bytes(range(1, 200)))
    for name, block in exif.blocks():
        if "itself" in name or "billion" in name:
            flagged = (
                b"VP8X"
                + struct.pack("<I", 10)
                + b"\x08\0\0\0"
                + (55).to_bytes(3, "little")
                + (27).to_bytes(3, "little")
            )
            padded = block + b"\0" * (len(block) % 2)
            yield f"EXIF: {name}", riff(flagged + whole[12:] + b"EXIF" + struct.pack("<I", len(block)) + padded)


def riff(chunks: bytes) -> bytes:
    """A WebP file of these chunks."""
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
