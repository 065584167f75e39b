"""What can be wrong with a picture, in words for whoever sent it."""

from typing import ClassVar


class PictureError(Exception):
    """A picture that cannot be read; the message says what is wrong with it and what to do."""

    default: ClassVar[str]

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.default)


class NotAPicture(PictureError):
    """No allowed format can be recognised in the file."""

    default = "Send a PNG, JPEG, WebP, BMP, GIF or TIFF file."


class BrokenPicture(PictureError):
    """The file is a picture, but damaged or cut short."""

    default = "Its data ends early or is damaged. Save or copy it again and send it whole."


class TooManyPixels(PictureError):
    """Its header announces too many pixels, or what takes too much memory to decode."""

    default = "Scale it down; 1000 pixels across are plenty for a digit."


class BlankPicture(PictureError):
    """No ink stands out from the ground."""

    default = (
        "Nothing stands out from its ground. Send a picture with a digit on it, with more contrast if it is faint."
    )


class TooManyShapes(PictureError):
    """More shapes stand out from the ground than are looked at, or they can be cut in too many ways."""

    default = (
        "More than 64 shapes stand out from its ground. Send the part with the numbers alone, without other marks."
    )
