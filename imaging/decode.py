"""A file becomes brightness: any format, mode, transparency and turn, reduced to what a digit needs."""

import warnings as python_warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from imaging.errors import BrokenPicture, NotAPicture, TooManyPixels
from imaging.plain import read_plain
from imaging.segments import is_held
from imaging.steps import Step, Turn
from registry.rules import Floats

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_MEMORY = 49e6  # bytes that a picture may take while it is decoded
WORKING_SIDE = 400  # larger pictures are reduced to it: a digit's stroke is still several pixels wide
_JPEG = b"\xff\xd8\xff"
_STRIP = 16  # rows of a reduced picture that are made at a time
_SAMPLES = 64  # pixels across that colours are judged by
_LUMA = np.asarray([0.299, 0.587, 0.114])
_SHOWN = 0.3  # of the spread of the colours: brightness that shows so much is enough
_COLOURFUL = 0.1  # of full scale, between a pixel's channels: below it gray says all

Pixels = NDArray[Any]

# EXIF's orientation: degrees clockwise that set the picture upright, and whether it is mirrored after that.
_ORIENTATIONS: dict[object, tuple[Turn, bool]] = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (90, True),
    6: (90, False),
    7: (270, True),
    8: (270, False),
}

# Pillow's remarks on odd metadata concern nobody here.
python_warnings.filterwarnings("ignore", module=r"PIL\.")

# Whoever calls gives a limit, and there are words for it.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Decoded:
    """A picture's brightness [H, W] in 0..1, upright, reduced to what is asked for.

    `width` and `height` are the upload's own once it is upright, in pixels.
    """

    gray: Floats
    width: int
    height: int
    turn: Turn = 0
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def across(self) -> float:
        """The upload's pixels in one of `gray`, from left to right."""
        return float(self.width / self.gray.shape[1])

    @property
    def down(self) -> float:
        """The upload's pixels in one of `gray`, from top to bottom."""
        return float(self.height / self.gray.shape[0])


def decode(content: bytes, max_pixels: int, side: int = WORKING_SIDE) -> Decoded:
    """Brightness of a file's first frame, at most `side` pixels a side.

    Raises:
        NotAPicture: if no allowed format can be recognised in it.
        BrokenPicture: if it is one, but damaged or cut short.
        TooManyPixels: if its header announces more than `max_pixels`, or what takes too much memory to decode.
    """
    if (plain := read_plain(content, max_pixels)) is not None:
        return Decoded(_unit(plain), plain.shape[1], plain.shape[0])
    held = content.startswith(_JPEG) and is_held(content)
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise NotAPicture from None
    except Exception as error:  # Pillow's plugins raise many kinds on a damaged header
        raise BrokenPicture from error
    width, height = image.size
    _check_size(image, max_pixels)
    try:
        scale = side / max(width, height)
        image.draft(
            None, (int(width * scale), int(height * scale))
        )  # a large JPEG is decoded at a fraction of its size
        _check_memory(image, width * height, held=held)
        image.load()
        turn, mirrored = _orientation(image)
        gray, steps = _brightness(image, side)
    except TooManyPixels:
        raise
    except Exception as error:  # as above, now of damaged data
        raise BrokenPicture from error
    if max(width, height) > side:
        steps = ("reduced", *steps)
    if turn or mirrored:
        gray = np.rot90(gray, -turn // 90)
        gray = np.ascontiguousarray(gray[:, ::-1] if mirrored else gray)
        steps = ("turned", *steps)
    if turn % 180:
        width, height = height, width
    warnings = ("animated or of several pages: only the first was read",) if _has_more(content, image) else ()
    return Decoded(gray, width, height, turn, steps, warnings)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixels(
            f"{width} x {height} are {width * height / 1e6:.0f} megapixels, over {max_pixels / 1e6:g}. "
            f"{TooManyPixels.default}"
        )


def _check_memory(image: Image.Image, pixels: int, *, held: bool) -> None:
    """Refuse what cannot be decoded in little memory; a plain JPEG of any size can, at a fraction of its size."""
    decoded = image.size[0] * image.size[1] * _pixel_bytes(image)
    if held:
        decoded += pixels * _coefficient_bytes(image)
    if decoded > MAX_MEMORY:
        raise TooManyPixels(
            f"{pixels / 1e6:.0f} megapixels of this kind take {decoded / 1e6:.0f} MB to decode, "
            f"over {MAX_MEMORY / 1e6:.0f}. {TooManyPixels.default}"
        )


def _pixel_bytes(image: Image.Image) -> float:
    """Bytes that Pillow takes for a pixel, with what its decoder holds beside it; as measured."""
    stored = {"1": 1, "L": 1, "P": 1}.get(image.mode, 4)
    return stored * {"WEBP": 3, "TIFF": 1.5, "GIF": 2}.get(image.format or "", 1)


def _coefficient_bytes(image: Image.Image) -> float:
    """Bytes for a pixel of a JPEG of several scans: its coefficients are all kept until the last."""
    samples = [across * down for _, across, down, _ in getattr(image, "layer", [])]
    return 2 * sum(samples) / max(samples) if samples else 6.0


def _has_more(content: bytes, image: Image.Image) -> bool:
    """Whether a second frame follows. Not by n_frames: that walks a chain of pages which may be made to be endless."""
    if image.format in ("PNG", "WEBP"):  # whose headers say it
        return bool(getattr(image, "is_animated", False))
    if image.format not in ("GIF", "TIFF"):
        return False
    try:
        Image.open(BytesIO(content), formats=[image.format]).seek(1)
    except EOFError:
        return False
    except Exception:  # a second one, damaged: it is not read anyway
        return True
    return True


def _orientation(image: Image.Image) -> tuple[Turn, bool]:
    try:
        return _ORIENTATIONS.get(image.getexif().get(ExifTags.Base.Orientation), (0, False))
    except Exception:  # damaged EXIF data does not spoil the picture
        return 0, False


def _brightness(image: Image.Image, side: int) -> tuple[Floats, tuple[Step, ...]]:
    if image.mode.startswith(("I", "F")):
        return np.asarray(_reduced(image, side, _unit_scale(image)), dtype=np.float32), ()
    steps: tuple[Step, ...] = ("grounded",) if image.has_transparency_data else ()
    if steps and not _is_opaque(image, side):
        # With its colours weighted by their opacity, so that what is transparent does not colour its neighbours.
        small = _reduced(image, side, lambda part: part.convert("RGBA").convert("RGBa"))
        image.close()  # its memory is wanted for what follows
        return _mixed(_on_ground(Image.fromarray(small, "RGBa").convert("RGBA")), steps)
    if image.mode in ("1", "L"):
        return _unit(_reduced(image, side, lambda part: part.convert("L"))), ()
    return _mixed(_reduced(image, side, lambda part: part.convert("RGB")), steps)


def _is_opaque(image: Image.Image, side: int) -> bool:
    """Whether nothing shows through, as of most pictures that have an alpha channel: no ground is looked for then."""
    return image.mode == "RGBA" and all(part.getchannel("A").getextrema()[0] == 255 for part in _parts(image, side))


def _unit_scale(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What brings 16- and 32-bit and float pixels to 0..1, by the smallest usual full scale that holds them all."""
    extrema = np.nan_to_num(np.asarray(image.getextrema(), dtype=np.float64), posinf=0, neginf=0)
    low, high = min(0.0, float(extrema.min())), float(extrema.max())
    scale = next((full for full in (1.0, 255.0, 4095.0, 65535.0) if high - low <= full), high - low)

    def convert(part: Image.Image) -> Image.Image:
        values = np.nan_to_num(np.asarray(part, dtype=np.float32), posinf=0, neginf=0)
        return Image.fromarray(np.clip((values - np.float32(low)) / np.float32(scale), 0, 1))

    return convert


def _on_ground(image: Image.Image) -> Pixels:
    """Lay a transparent picture on what its ink stands out from: white, black, or the colour of its own page."""
    pixels = np.asarray(image.convert("LA"), dtype=np.float32)
    brightness, opaque = pixels[..., 0], pixels[..., 1] >= 128
    ground: str | tuple[int, ...] = "white"
    if opaque.any() and not opaque.all():
        seen = brightness[opaque]
        if opaque.mean() > 0.5 and seen.std() > 15:  # a page with corners cut away, and not ink alone
            ground = tuple(np.median(np.asarray(image)[opaque], axis=0).astype(int).tolist())
        elif seen.mean() > 160:
            ground = "black"
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, ground), image).convert("RGB"))


def _mixed(colours: Pixels, steps: tuple[Step, ...]) -> tuple[Floats, tuple[Step, ...]]:
    """Brightness of colours [H, W, 3], or the mix of the channels that differs most where brightness would not.

    The mix is the first principal component of the colours, the lighter side up.
    """
    every = max(1, max(colours.shape) // _SAMPLES)
    few = colours[::every, ::every].reshape(-1, 3).astype(np.float32) * np.float32(1 / 255)
    if cv2.absdiff(few, few[:, [1, 2, 0]]).max() >= _COLOURFUL:
        covariance = np.cov(few.T)
        spread, axes = np.linalg.eigh(covariance)
        axis = axes[:, -1] / np.abs(axes[:, -1]).sum()
        # What brightness shows of the spread; where that is much of it, it is left as it is.
        if _LUMA @ covariance @ _LUMA < _SHOWN * spread[-1] * float(axis @ axis):
            axis = (axis if axis @ _LUMA >= 0 else -axis).astype(np.float32)
            mix = colours.astype(np.float32) @ (axis / np.float32(255)) - np.minimum(axis, 0).sum()
            return np.clip(mix, 0, 1), (*steps, "mixed")
    return _unit(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)), steps


def _unit(pixels: Pixels) -> Floats:
    """Bytes as 0..1, in one pass."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _reduced(image: Image.Image, side: int, convert: Callable[[Image.Image], Image.Image]) -> Pixels:
    """A converted copy of at most `side` pixels a side."""
    factor = _factor(image, side)
    if factor == 1:
        small = np.asarray(convert(image))
    else:
        small = np.concatenate([np.asarray(convert(part).reduce(factor)) for part in _parts(image, side)])
    scale = side / max(small.shape[:2])
    if scale < 1:
        size = max(1, round(small.shape[1] * scale)), max(1, round(small.shape[0] * scale))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    return small


def _factor(image: Image.Image, side: int) -> int:
    """By how much a picture is reduced before it is resized."""
    return max(1, max(image.size) // side)


def _parts(image: Image.Image, side: int) -> Iterable[Image.Image]:
    """The parts that a picture is reduced by: strips of a large one, as it takes memory enough once, or all of it."""
    factor = _factor(image, side)
    if factor == 1:
        return (image,)
    width, height = image.size
    tops = range(0, height, _STRIP * factor)
    return (image.crop((0, top, width, min(top + _STRIP * factor, height))) for top in tops)
