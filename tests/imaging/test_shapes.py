import cv2
import numpy as np
import pytest

from imaging.shapes import Box, find_shapes, printed_lines


@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_shapes_stand_where_they_do_on_the_whole_picture(number: int) -> None:
    """However much paper is around the ink, boxes, areas, masses and labels are those of the whole picture."""
    random = np.random.default_rng(number)
    mask = np.zeros((90, 130), np.uint8)
    for place in range(number):
        cv2.circle(mask, (25 + 14 * place, 40 + 3 * (place % 2)), 3 + place % 3, 1, -1)
    strength = random.random(mask.shape, dtype=np.float32)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    shapes = find_shapes(mask, strength)
    assert {(shape.box, shape.area) for shape in shapes.found} == {
        (Box(*map(int, row[:4])), int(row[4])) for row in stats[1:]
    }
    assert np.array_equal(shapes.labels > 0, labels > 0)
    for shape in shapes.found:
        own = shapes.mask([shape]) > 0
        assert len(np.unique(labels[own])) == 1
        assert np.isclose(shape.mass, strength[own].sum())
    assert sorted(shapes.found, key=lambda shape: -shape.mass) == list(shapes.found)


def test_lines_from_top_to_bottom_are_found_as_those_from_side_to_side() -> None:
    """A picture turned on its side has the same lines, turned; one without ink at both sides has none."""
    mask = np.zeros((160, 200), np.uint8)
    mask[40:120, 90:110] = 1
    assert not printed_lines(mask).any()
    mask[80:83] = 1
    level, upright = printed_lines(mask), printed_lines(np.ascontiguousarray(mask.T))
    assert level.any()
    np.testing.assert_array_equal(upright, level.T)
