import pickle

import pytest

from imaging.errors import BrokenPicture, PictureError
from service import errors, pictures
from tests.support import drawing, encoded


def test_every_error_of_imaging_has_a_row() -> None:
    """Each error that imaging may raise is a row of the table, with the words that imaging gives it."""
    assert set(pictures.ROWS) == set(PictureError.__subclasses__())
    assert all(row.default == error.default for error, row in pictures.ROWS.items())


def test_an_error_keeps_its_words() -> None:
    """What is wrong with an upload is raised as the table's row, of the same name and in the same words."""
    content = encoded(drawing())
    with pytest.raises(errors.TooManyPixels, match=r"megapixels, over 1e-06\. Scale it down"):
        pictures.read(content, 1)
    with pytest.raises(errors.BrokenPicture, match="ends early") as raised:
        pictures.read_page(content[:300], 10**6)
    assert isinstance(raised.value.__cause__, BrokenPicture)


def test_readers_are_sent_by_name() -> None:
    """Another process is told which function to call, and finds this one."""
    for reader in (pictures.read, pictures.read_page, pictures.decode):
        sent = pickle.dumps(reader)
        assert pickle.loads(sent) is reader
        assert len(sent) < 100
