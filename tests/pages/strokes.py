"""Digits as people draw them with a mouse: strokes of points in 0..1 of a square, x to the right and y down."""

import math

from playwright.sync_api import Page

Point = tuple[float, float]


def _arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse's arc, in degrees clockwise from the right."""
    steps = max(int(abs(end - start) / 20), 2)
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


STROKES: dict[int, list[list[Point]]] = {
    0: [_arc(0.5, 0.5, 0.2, 0.3, -80, 285)],
    1: [[(0.4, 0.32), (0.52, 0.2), (0.52, 0.8)]],
    2: [[*_arc(0.5, 0.36, 0.17, 0.16, -170, 30), (0.34, 0.78), (0.7, 0.78)]],
    3: [[*_arc(0.47, 0.35, 0.16, 0.14, -150, 90), *_arc(0.47, 0.64, 0.2, 0.16, -90, 150)]],
    4: [[(0.42, 0.2), (0.3, 0.56), (0.72, 0.56)], [(0.6, 0.3), (0.58, 0.82)]],
    5: [[(0.36, 0.22), (0.35, 0.47), *_arc(0.47, 0.62, 0.19, 0.18, -120, 140)], [(0.36, 0.22), (0.66, 0.22)]],
    6: [[(0.6, 0.2), (0.42, 0.4), *_arc(0.5, 0.63, 0.16, 0.16, 180, -180)]],
    7: [[(0.3, 0.24), (0.68, 0.24), (0.45, 0.8)]],
    8: [
        [
            *_arc(0.5, 0.36, 0.14, 0.14, -60, -270),
            *_arc(0.5, 0.65, 0.17, 0.15, -90, 270),
            *_arc(0.5, 0.36, 0.14, 0.14, 90, -60),
        ]
    ],
    9: [[*_arc(0.5, 0.38, 0.15, 0.16, 0, -360), (0.65, 0.38), (0.6, 0.8)]],
}


# A 9 so open that it may be a 4.
SPLIT: list[list[Point]] = [[*_arc(0.5, 0.38, 0.15, 0.16, -102, -360), (0.65, 0.38), (0.62, 0.8)]]
SCRIBBLE: list[list[Point]] = [[(0.2 + 0.025 * step, 0.7 if step % 2 else 0.3) for step in range(25)]]


def draw(page: Page, digit: int, middle: float = 0.5, scale: float = 1.0) -> None:
    """Draw a digit with the mouse, centred at `middle` of the paper's width, in a square of its height by `scale`."""
    draw_strokes(page, STROKES[digit], middle, scale)


def draw_strokes(page: Page, strokes: list[list[Point]], middle: float = 0.5, scale: float = 1.0) -> None:
    """Draw any strokes with the mouse, as `draw` does."""
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    assert box is not None
    side = box["height"] * scale
    left, top = box["x"] + box["width"] * middle - side / 2, box["y"] + (box["height"] - side) / 2
    for stroke in strokes:
        points = [(left + x * side, top + y * side) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()
