"""Of the shapes on a picture, those that make up its digit."""

from collections.abc import Sequence

from imaging.shapes import Box, Shape, around

_NEAR = 0.25  # of the digit's longer side: a stroke that far away may still be part of it
_TALL = 0.6  # of the digit's height: as tall beside it is a digit of its own
_BESIDE = 0.12  # of both together: nearer than that, it is a broken part

_FAR = 1.5  # of the digit's height: what is farther aside is on another matter
_AS_MUCH = 0.25  # of the digit's ink: a digit beside it has so much at least, a 1 beside an 8

_FILLS = 0.75  # of the picture's side: a digit that fills it was cut out tightly, and no neighbour comes in
_FRAME = 0.2  # of its box that a frame covers at most
_STRAIGHT = 0.06  # width by length of a straight line, at most


def choose(shapes: Sequence[Shape], height: int, width: int) -> tuple[list[Shape], list[Shape]]:
    """The shapes of the most prominent digit of a picture [height, width], and the others."""
    if len(shapes) == 1:
        return list(shapes), []
    framed = [shape for shape in shapes if _is_frame(shape, shapes)]
    shapes = [shape for shape in shapes if shape not in framed] or shapes
    main = max(shapes, key=lambda shape: _prominence(shape, height, width))
    chosen, box = [main], main.box
    rest = [shape for shape in shapes if shape is not main]
    while added := [shape for shape in rest if _belongs(shape, box, height, width)]:
        chosen += added
        rest = [shape for shape in rest if shape not in added]
        box = around([box, *(shape.box for shape in added)])
    return chosen, rest


def is_row(chosen: Sequence[Shape], others: Sequence[Shape], height: int, width: int) -> bool:
    """Whether other digits stand beside the chosen one, whole, as in a number; what the edge cuts off is none."""
    if not others:
        return False
    box, mass = around(shape.box for shape in chosen), sum(shape.mass for shape in chosen)
    free = not box.touches(height, width)
    return any(
        shape.box.height >= _TALL * box.height
        and shape.mass >= _AS_MUCH * mass
        and 0 <= shape.box.gaps(box)[0] <= _FAR * box.height
        and -shape.box.gaps(box)[1] >= min(shape.box.height, box.height) / 2
        and shape.box.width >= _STRAIGHT * shape.box.height
        and shape.box.height <= box.height / _TALL
        and not (free and shape.box.touches(height, width))
        for shape in others
    )


def _is_frame(shape: Shape, shapes: Sequence[Shape]) -> bool:
    """Whether it is drawn around others and holds little ink for its size."""
    box = shape.box
    return shape.area < _FRAME * box.width * box.height and any(
        other.area >= 0.05 * shape.area
        and max(other.box.width, other.box.height) > 0.25 * max(box.width, box.height)
        and box.encloses(other.box)
        for other in shapes
    )


def _prominence(shape: Shape, height: int, width: int) -> float:
    """How much ink it holds, less for what lies aside or is cut by the picture's edge."""
    across = abs(shape.box.left + shape.box.width / 2 - width / 2) / width
    down = abs(shape.box.top + shape.box.height / 2 - height / 2) / height
    edges = len(shape.box.touches(height, width))
    return shape.mass * (1 - max(across, down)) * 0.6**edges


def _belongs(shape: Shape, box: Box, height: int, width: int) -> bool:
    """Whether a shape is a stroke of the digit in `box`, and no neighbour, line or part of another digit."""
    across, down = shape.box.gaps(box)
    whole = box.union(shape.box)
    size, whole_size = max(box.width, box.height), max(whole.width, whole.height)
    if across > _NEAR * size or down > _NEAR * whole_size:
        return False
    fills = box.width > _FILLS * width or box.height > _FILLS * height
    comes_in = set(shape.box.touches(height, width)) - set(box.touches(height, width))
    if comes_in and not fills and max(across, down) > _BESIDE * whole_size:
        return False
    thin, long = sorted((shape.box.width, shape.box.height))
    if thin < _STRAIGHT * long and long > 1.1 * size:
        return False
    if across > 0 and shape.box.height >= _TALL * box.height:  # as tall beside it: a digit of its own, or a broken half
        return across <= _BESIDE * whole.height and whole.width <= whole.height
    return True
