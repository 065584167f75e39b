"""What imaging makes of an upload; what it says of one that it cannot read is a row of the table of errors."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import imaging
from imaging import errors as pictures
from imaging import page
from imaging.decode import decode as decode_any
from imaging.errors import PictureError
from service import errors
from service.errors import ServiceError

P = ParamSpec("P")
R = TypeVar("R")

ROWS: dict[type[PictureError], type[ServiceError]] = {
    pictures.NotAPicture: errors.NotAPicture,
    pictures.BrokenPicture: errors.BrokenPicture,
    pictures.TooManyPixels: errors.TooManyPixels,
    pictures.BlankPicture: errors.BlankPicture,
    pictures.TooManyShapes: errors.TooManyShapes,
}


def _by_the_table(reader: Callable[P, R]) -> Callable[P, R]:
    """A function of imaging's that raises rows of the table."""

    @wraps(reader)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return reader(*args, **kwargs)
        except PictureError as error:
            raise ROWS[type(error)](str(error)) from error

    asked.__module__ = __name__  # where pickle finds it: by name it goes to other processes, and not as its code
    return asked


read = _by_the_table(imaging.read)
read_page = _by_the_table(page.read_page)
decode = _by_the_table(decode_any)
