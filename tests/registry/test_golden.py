import io

import numpy as np
import pytest

from registry.errors import ArtifactError
from registry.golden import TOLERANCE, Golden
from registry.rules import Floats
from tests.support import golden_pictures


def linear(pictures: Floats) -> Floats:
    return pictures.reshape(len(pictures), -1)[:, :10] * np.float32(3)


@pytest.fixture
def golden() -> Golden:
    return Golden(golden_pictures(), linear(golden_pictures()))


def test_what_is_dumped_is_loaded(golden: Golden) -> None:
    """Golden digits survive their file."""
    loaded = Golden.load(golden.dump())
    np.testing.assert_array_equal(loaded.pictures, golden.pictures)
    np.testing.assert_array_equal(loaded.logits, golden.logits)


def test_the_same_model_passes_within_rounding(golden: Golden) -> None:
    """Differences below the tolerance are rounding, not another model."""
    golden.check(linear)
    golden.check(lambda pictures: linear(pictures) + np.float32(TOLERANCE / 2))


def test_other_logits_shapes_and_errors_fail(golden: Golden) -> None:
    """A model that is off, NaN, of another shape or raises is refused with what it did."""
    with pytest.raises(ArtifactError, match="off by 1 on the golden digits"):
        golden.check(lambda pictures: linear(pictures) + 1)
    with pytest.raises(ArtifactError, match="off by nan"):
        golden.check(lambda pictures: linear(pictures) * np.float32(np.nan))
    with pytest.raises(ArtifactError, match=r"gives \(4, 9\)"):
        golden.check(lambda pictures: linear(pictures)[:, :9])

    def broken(_pictures: Floats) -> Floats:
        raise RuntimeError("no kernel")

    with pytest.raises(ArtifactError, match="fails on the golden digits: no kernel"):
        golden.check(broken)


def test_a_file_that_holds_something_else_is_refused() -> None:
    """No archive, and an archive of other arrays, are ArtifactErrors."""
    with pytest.raises(ArtifactError, match="cannot be read"):
        Golden.load(b"not an archive")
    with pytest.raises(ArtifactError, match="cannot be read"):
        Golden.load(Golden(golden_pictures(), linear(golden_pictures())).dump()[:-100])
    for odd in (np.float32(1), np.full((4, 10), "x")):
        buffer = io.BytesIO()
        np.savez(buffer, pictures=golden_pictures(), logits=odd)
        with pytest.raises(ArtifactError, match=r"golden\.npz"):
            Golden.load(buffer.getvalue())
    with pytest.raises(ArtifactError, match="holds pictures"):
        Golden.load(Golden(golden_pictures()[:, 0], linear(golden_pictures())).dump())
