"""Writing files that outlive a kill."""

import errno
from pathlib import Path

import pytest

from registry import disk


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_names_the_file() -> None:
    """The error of a full disk says which file could not be written."""
    with pytest.raises(OSError, match="No space left on device: '/dev/full'") as raised:
        disk.write(Path("/dev/full"), b"content")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "/dev/full")
