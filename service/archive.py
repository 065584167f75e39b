"""The pictures in a ZIP archive, each unpacked when its turn comes.

No name in it is ever a path here: nothing is written to disk.
"""

import asyncio
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from service.errors import BodyTooLarge, BrokenArchive, BrokenPicture, EmptyFile, NoFile, NotAPicture, TooManyPictures

MOST = 256  # pictures in one request
_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second is an empty archive's
_DIRECTORY = 2**20  # bytes of the list of members: 4 KiB for each that may be there
_ENCRYPTED = 1  # bit of a member's flags


@dataclass(frozen=True)
class Member:
    """One picture of an archive, still packed; its name is a label."""

    archive: ZipFile
    info: ZipInfo
    max_bytes: int

    @property
    def name(self) -> str:
        """The name that it has in the archive."""
        return self.info.filename

    async def content(self) -> bytes:
        """Its bytes, unpacked in a thread.

        Raises:
            BodyTooLarge: if they are more than a picture may have.
            NotAPicture: if it is encrypted, packed in a way that is not taken, or an archive itself.
            EmptyFile: if there are none.
            BrokenPicture: if it is damaged, or not of the length that the archive says.
        """
        if self.info.flag_bits & _ENCRYPTED:
            raise NotAPicture(f"'{self.name}' is encrypted. Pack it without a password.")
        # The others may give gigabytes for a few bytes at once; deflate's output is asked for piece by piece.
        if self.info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise NotAPicture(f"'{self.name}' is compressed in an uncommon way. Pack it with deflate, or stored.")
        if self.info.file_size > self.max_bytes:
            raise too_large(self.name, self.max_bytes)
        content = await asyncio.to_thread(self._unpacked)
        if not content:
            raise EmptyFile(f"'{self.name}' holds 0 bytes. Send the picture itself.")
        if is_archive(content):
            raise NotAPicture(f"'{self.name}' is an archive in the archive. Pack the pictures themselves.")
        return content

    def _unpacked(self) -> bytes:
        try:
            with self.archive.open(self.info) as file:
                content = file.read(self.info.file_size + 1)  # one more than there is: then its checksum is looked at
        except Exception as error:  # zipfile and zlib raise many kinds on damaged data
            raise BrokenPicture(f"'{self.name}' is damaged in the archive. Pack it again.") from error
        if len(content) != self.info.file_size:
            raise BrokenPicture(f"'{self.name}' ends early: it is damaged in the archive. Pack it again.")
        return content


class _Bounded(BytesIO):
    """An archive's bytes; while it is `listing`, no more is given at once than a list of so many members needs.

    zipfile makes an object of each member at once, however many the list holds.
    """

    listing = True

    def read(self, size: int | None = -1, /) -> bytes:
        """As BytesIO's; raises TooManyPictures if more is asked for."""
        if self.listing and size is not None and size > _DIRECTORY:
            raise TooManyPictures("The archive lists more members than pictures are taken. Pack 256 at most in each.")
        return super().read(size)


def is_archive(content: bytes | bytearray) -> bool:
    """Whether bytes begin as those of a ZIP archive do."""
    return content.startswith(_STARTS)


def unpack(content: bytes, max_bytes: int, most_bytes: int) -> list[Member]:
    """The pictures of an archive, in its order; folders and hidden files are passed over.

    Args:
        content: the archive.
        max_bytes: what one picture may have unpacked.
        most_bytes: what all may have together unpacked.

    Raises:
        BrokenArchive: if it cannot be opened.
        TooManyPictures: if there are more than are taken.
        BodyTooLarge: if they are too large together.
        NoFile: if there is none.
    """
    source = _Bounded(content)
    try:
        archive = ZipFile(source)
    except TooManyPictures:
        raise
    except Exception as error:  # as above, now of a damaged list of members
        raise BrokenArchive from error
    source.listing = False  # members are bounded by their own sizes
    found = [info for info in archive.infolist() if not _is_passed_over(info.filename)]
    if len(found) > MOST:
        raise TooManyPictures(f"The archive holds {len(found)} files. {TooManyPictures.default}")
    if sum(info.file_size for info in found) > most_bytes:
        raise BodyTooLarge(
            f"Its files are more than {most_bytes / 2**20:g} MiB unpacked. Send them in several archives."
        )
    if not found:
        raise NoFile("The archive holds no file. Pack the pictures themselves.")
    return [Member(archive, info, max_bytes) for info in found]


def too_large(name: str, max_bytes: int) -> BodyTooLarge:
    """What one picture over the limit is told."""
    return BodyTooLarge(f"'{name}' is over {max_bytes / 2**20:g} MiB. Send the picture scaled down.")


def _is_passed_over(name: str) -> bool:
    """Whether it is a folder, or a file that systems put beside pictures, as `__MACOSX/._a.png` and `.DS_Store`."""
    if name.endswith("/"):  # zipfile's own question fails on a name of nothing
        return True
    path = PurePosixPath(name)
    return path.name.startswith(".") or "__MACOSX" in path.parts
