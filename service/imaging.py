"""A picture of a digit becomes the 28x28 that MNIST would have held: white ink on black, 0..1.

`decode` reads the file, `to_mnist` finds the ink in it and lays it out by MNIST's own protocol (LeCun et al. 1998):
fitted in 20x20 with its proportions kept, its centre of mass in the centre of 28x28.
"""

import warnings as python_warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from registry.rules import Floats
from service.errors import BlankPicture, BrokenPicture, NotAPicture, TooManyPixels

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SIDE = 28
_FIT = 20
_WORKING_SIDE = 400  # larger pictures are reduced to it: a digit's stroke is still several pixels wide
_STRIP = 32  # rows of a reduced picture that are made at a time
_GROUND_SIDE = 64  # the ground is estimated on a picture of this size: it varies slowly
_MIN_CONTRAST = 0.08  # of full scale, between ink and ground: below it there is nothing to be read

# Pillow's remarks on odd metadata concern nobody here.
python_warnings.filterwarnings("ignore", module=r"PIL\.")

# The service has a limit of its own, in its settings, and its own words for it.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Seen:
    """A picture [1, 28, 28] as the models see it, and what its sender should know about how it was read."""

    picture: Floats
    warnings: tuple[str, ...] = ()


def read(content: bytes, max_pixels: int) -> Seen:
    """Decode an uploaded file and lay its digit out as MNIST does.

    Raises:
        NotAPicture: if no allowed format can be recognised in it.
        BrokenPicture: if it is one, but damaged or cut short.
        TooManyPixels: if its header announces more than `max_pixels`.
        BlankPicture: if no ink stands out from the ground.
    """
    gray, warnings = decode(content, max_pixels)
    return Seen(to_mnist(gray)[np.newaxis], warnings)


def warm_up() -> None:
    """Read one picture, so that Pillow's plugins are loaded before the first request comes."""
    file = BytesIO()
    Image.linear_gradient("L").point(lambda value: 0 if value < 64 else 255).save(file, "PNG")
    read(file.getvalue(), 256 * 256)


def decode(content: bytes, max_pixels: int) -> tuple[Floats, tuple[str, ...]]:
    """Brightness [H, W] in 0..1 of a file's first frame, upright, at most 400 pixels a side, and warnings."""
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise NotAPicture from None
    except Exception as error:  # Pillow's plugins raise many kinds on a damaged header
        raise BrokenPicture from error
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixels(
            f"{width} x {height} are {width * height / 1e6:.0f} megapixels, over {max_pixels / 1e6:g}. "
            f"{TooManyPixels.default}"
        )
    try:
        image.draft(None, (_WORKING_SIDE, _WORKING_SIDE))  # a large JPEG is decoded at a fraction of its size
        image.load()
        gray = _brightness(_upright(image))
    except Exception as error:  # as above, now of damaged data
        raise BrokenPicture from error
    return gray, ("animated or of several pages: only the first was read",) if _has_more(content, image.format) else ()


def _has_more(content: bytes, form: str | None) -> bool:
    """Whether a second frame follows. Not by n_frames: that walks a chain of pages which may be made to be endless."""
    if form not in ("GIF", "PNG", "TIFF", "WEBP"):
        return False
    try:
        Image.open(BytesIO(content), formats=[form]).seek(1)
    except EOFError:
        return False
    except Exception:  # a second one, damaged: it is not read anyway
        return True
    return True


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data does not spoil the picture
        return image


def _brightness(image: Image.Image) -> Floats:
    if image.mode.startswith(("I", "F")):
        return np.asarray(_reduced(image, _unit_scale(image)), dtype=np.float32)
    if image.has_transparency_data:
        # With its colours weighted by their opacity, so that what is transparent does not colour its neighbours.
        image = _on_ground(_reduced(image, lambda part: part.convert("RGBA").convert("RGBa")).convert("RGBA"))
    return np.asarray(_reduced(image, lambda part: part.convert("L")), dtype=np.float32) / np.float32(255)


def _unit_scale(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What brings 16- and 32-bit and float pixels to 0..1, by the smallest usual full scale that holds them all."""
    extrema = np.nan_to_num(np.asarray(image.getextrema(), dtype=np.float64), posinf=0, neginf=0)
    low, high = min(0.0, float(extrema.min())), float(extrema.max())
    scale = next((full for full in (1.0, 255.0, 4095.0, 65535.0) if high - low <= full), high - low)

    def convert(part: Image.Image) -> Image.Image:
        values = np.nan_to_num(np.asarray(part, dtype=np.float32), posinf=0, neginf=0)
        return Image.fromarray(np.clip((values - np.float32(low)) / np.float32(scale), 0, 1))

    return convert


def _on_ground(image: Image.Image) -> Image.Image:
    """Lay a transparent picture on white, or on black where its ink is light: white ink on nothing is ink too."""
    pixels = np.asarray(image.convert("LA"), dtype=np.float32)
    brightness, alpha = pixels[..., 0], pixels[..., 1]
    seen = float(alpha.sum())
    light_ink = seen > 0 and float((alpha < 128).mean()) > 0.05 and float((brightness * alpha).sum()) / seen > 160
    ground = Image.new("RGBA", image.size, "black" if light_ink else "white")
    return Image.alpha_composite(ground, image)


def _reduced(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """A converted copy of at most 400 pixels a side; strip by strip, as a large picture takes memory enough once."""
    factor = max(1, max(image.size) // _WORKING_SIDE)
    if factor == 1:
        small = convert(image)
    else:
        width, height = image.size
        strips = [
            convert(image.crop((0, top, width, min(top + _STRIP * factor, height)))).reduce(factor)
            for top in range(0, height, _STRIP * factor)
        ]
        small = Image.new(strips[0].mode, (strips[0].width, sum(strip.height for strip in strips)))
        for row, strip in enumerate(strips):
            small.paste(strip, (0, row * _STRIP))
    if max(small.size) > _WORKING_SIDE:
        small.thumbnail((_WORKING_SIDE, _WORKING_SIDE), Image.Resampling.BOX)
    return small


def to_mnist(gray: Floats) -> Floats:
    """The 28x28 picture [28, 28] of brightness [H, W]: white ink on black, fitted and centred.

    A picture that already is laid out so passes through unchanged.

    Raises:
        BlankPicture: if no ink stands out from the ground.
    """
    if _is_mnist(gray):
        return gray
    ink = _ink(gray)
    threshold = _otsu(ink)
    mask = ink > threshold
    if not mask.any() or float(ink[mask].mean() - ink[~mask].mean()) < _MIN_CONTRAST:
        raise BlankPicture
    full = float(np.quantile(ink[mask], 0.9))
    # What is fainter than half the threshold is paper; the rest keeps its soft edges.
    strokes = np.clip((ink - threshold / 2) / (full - threshold / 2), 0, 1)
    return _laid_out(strokes, mask)


def _is_mnist(gray: Floats) -> bool:
    """Whether it is 28x28 on black, its centre of mass in the centre to within half a pixel, as MNIST's all are."""
    if gray.shape != (SIDE, SIDE) or gray.max() < 0.5:
        return False
    frame = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    if np.count_nonzero(frame) > len(frame) // 4:  # a few strokes reach the edge once they are centred
        return False
    return max(abs(shift) for shift in _shift_to_centre(gray)) <= 0.51


def _ink(gray: Floats) -> Floats:
    """How far each pixel [H, W] stands out from the ground beneath it, on the side that ink is on."""
    ground = _ground(gray)
    difference = gray - ground
    # Ink covers little of a picture and differs much: the side with the heavier tail is the ink's.
    dark, light = float((np.clip(-difference, 0, 1) ** 3).sum()), float((np.clip(difference, 0, 1) ** 3).sum())
    ink: Floats = np.clip(-difference if dark >= light else difference, 0, 1)
    return ink


def _ground(gray: Floats) -> Floats:
    """The brightness [H, W] that the paper has everywhere: a quadratic surface, as light falls off across a page.

    Fitted by least squares to what is near the frame's usual brightness, then twice to what is near the fit.
    """
    small = Image.fromarray(gray)
    small.thumbnail((_GROUND_SIDE, _GROUND_SIDE), Image.Resampling.BOX)
    levels = np.asarray(small)
    frame = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    surface = np.full(levels.size, np.median(frame), dtype=np.float32)
    terms = _quadratic(levels.shape)
    for reach in (0.3, 0.2, 0.1):
        near = np.abs(levels.ravel() - surface) < reach
        if near.sum() < _GROUND_SIDE:
            break
        coefficients = np.linalg.lstsq(terms[near], levels.ravel()[near], rcond=None)[0]
        surface = (terms @ coefficients).astype(np.float32)
    full = Image.fromarray(surface.reshape(levels.shape)).resize((gray.shape[1], gray.shape[0]))
    return np.asarray(full, dtype=np.float32)


def _quadratic(shape: tuple[int, ...]) -> Floats:
    """The terms 1, x, y, xx, xy, yy [H * W, 6] of a surface over a picture, x and y in -1..1."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    x, y = columns.ravel(), rows.ravel()
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1, dtype=np.float32)


def _otsu(ink: Floats) -> float:
    """The threshold that parts ink from ground with the largest variance between both (Otsu 1979)."""
    counts, edges = np.histogram(ink, bins=64, range=(0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nan_to_num(between[:-1]).argmax())])


def _laid_out(strokes: Floats, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """Crop strokes [H, W] to the mask's box, fit them in 20x20 and centre their mass in 28x28."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    crop = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _FIT / max(crop.shape)
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    fitted = Image.fromarray(crop).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    canvas = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    # A thin pen's stroke is spread over whole pixels by the fit and comes out gray: MNIST's ink is white.
    white = float(np.quantile(np.asarray(fitted)[np.asarray(fitted) > 0], 0.95))
    canvas[top : top + size[1], left : left + size[0]] = np.clip(np.asarray(fitted) / white, 0, 1)
    down, right = _shift_to_centre(canvas)
    return _shifted(canvas, round(down), round(right))


def _shift_to_centre(picture: Floats) -> tuple[float, float]:
    """Pixels down and right by which the centre of mass of a picture [28, 28] misses the centre."""
    places = np.arange(SIDE, dtype=np.float32)
    total = float(picture.sum())
    row = float((picture.sum(axis=1) * places).sum()) / total
    column = float((picture.sum(axis=0) * places).sum()) / total
    # MNIST's own mean lies at 14, half a pixel off the geometric centre of 28 pixels.
    return SIDE / 2 - row, SIDE / 2 - column


def _shifted(picture: Floats, down: int, right: int) -> Floats:
    """Move a picture [28, 28], black coming in; ink may leave only where it would not fit."""
    moved = np.zeros_like(picture)
    source = picture[max(0, -down) : SIDE - max(0, down), max(0, -right) : SIDE - max(0, right)]
    moved[max(0, down) : max(0, down) + source.shape[0], max(0, right) : max(0, right) + source.shape[1]] = source
    return moved
