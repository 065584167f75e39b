"""Whatever is sent, imaging answers with a picture or an error that we know, in bounded memory."""

import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging import read
from imaging.errors import BlankPicture, BrokenPicture, NotAPicture, TooManyPixels, TooManyShapes
from imaging.page import read_page
from tests.damage import damaged, files

LIMIT = 40_000_000
ERRORS = (NotAPicture, BrokenPicture, TooManyPixels, BlankPicture)
randoms = st.randoms(use_true_random=False)


@pytest.mark.parametrize("kind", files())
def test_each_kind_is_read_while_it_is_whole(kind: str) -> None:
    """Every file that is damaged below is a picture and a page before."""
    assert read(files()[kind], LIMIT).picture.any()
    assert read_page(files()[kind], LIMIT).rows


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(files())), randoms)
def test_a_damaged_file_is_a_picture_or_an_error_of_the_table(kind: str, random: Random) -> None:
    """Whatever bytes are changed, left out or cut off, there is a finite 28x28 in 0..1 or an error that we know."""
    try:
        picture = read(damaged(files()[kind], random), LIMIT).picture
    except ERRORS:
        return
    assert picture.shape == (1, 28, 28)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() <= picture.max() <= 1


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(files())), randoms)
def test_a_damaged_page_gives_pieces_or_an_error_of_the_table(kind: str, random: Random) -> None:
    """As above, of all pieces of the page of numbers that it may be."""
    try:
        page = read_page(damaged(files()[kind], random), LIMIT)
    except (*ERRORS, TooManyShapes):
        return
    for row in page.rows:
        for piece in row.pieces:
            assert piece.picture.shape == (1, 28, 28)
            assert 0 <= piece.picture.min() <= piece.picture.max() <= 1


_MEMORY = """
import sys
from random import Random
from imaging.errors import PictureError
from imaging import read, warm_up
from imaging.page import read_page
from tests.damage import damaged, files
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
whole = files().values()
warm_up()
before = peak()
for content in whole:
    for reader in (read, read_page):
        reader(content, 40_000_000)
for seed in range(int(sys.argv[1])):
    random = Random(seed)
    for content in whole:
        for reader in (read, read_page):
            try:
                reader(damaged(content, random), 40_000_000)
            except PictureError:
                pass
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_damaged_files_take_64_megabytes_at_most() -> None:
    """Sizes that damage has put into a header do not lead to more memory than a whole picture may take."""
    done = subprocess.run([sys.executable, "-c", _MEMORY, "12"], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 64
