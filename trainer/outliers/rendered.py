"""Letters, symbols and words in the fonts that come with Matplotlib, so that no font of the system is needed."""

import string
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from trainer.layout import Bytes, laid_out

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_SIZE = 40  # pixels to the em
_TURN, _SLANT, _STRETCH = 8.0, 14.0, 0.2  # degrees, degrees, logarithm of width to height; either way


def _span(first: str, last: str) -> str:
    """The characters from one to another."""
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


# What some font or hand draws as it draws a digit: letters, and of symbols bars and brackets (1), rings and slashed
# rings (0), corners open to the lower left (7), quotation marks (9), the planets' signs (4 and 5).
_TWINS = {
    *"OoQISsZzlijbgqΟοΙΖζιςσόδθϑΘОоЗзЧчБбЬьЪъЭэгдвıцȷłøØðſ𝛛𝜕𝝏𝞉𝟃∂",
    *"()[]{}|!/\\'`,.:;¦¬∣∕∖∘∫○◯◦⚪⊘⊙⊚∅◌☉⚬⚆⚇♃♄♭♮↿↾⇂⇃↰↴∋∍❘❙❚◎⊸⚲❍☌☍¿↯☇☈⚡▮▯↗➚⬈⇗➹♩♪↥❨❩❪❫❬❭⟮⟯¡◊▢⥀⥁↺↻⟲⟳∥∃∄❲❳❴❵❰❱≀◜◝◞◟´¸°ºᵒ",
}

# A group is chosen first, then one of its glyphs in one of the fonts: Latin is not lost among a thousand others.
_LETTERS = (
    string.ascii_uppercase,
    string.ascii_lowercase,
    _span("Α", "ω"),
    _span("А", "я"),
    _span("\U0001d400", "\U0001d7cb"),  # italic, script, Fraktur, double-struck
    _span("À", "ž"),
    "ɐɑɒɕɘəɛɟɢɣɤɥɦɧɯɰɱɲɳɴɵɶɷɸɹɻɽʀʁʄʇʈʉʊʋʌʍʎʏʘʙʛʜʞʟʬʭ",  # of phonetics
    # Tifinagh, Lisu and Canadian syllabics that are no digit's twins
    "ⴱⴲⴳⴴⴵⴶⴷⴸⴹⴼⴽⴿⵀⵃⵄⵅⵋⵌⵍⵎⵖⵛⵜⵝⵞⵟⵠⵡⵣⵥꓑꓒꓔꓕꓘꓙꓝꓞꓟꓠꓡꓣꓤꓦꓧꓪꓫꓬꓭꓮꓯꓰꓴꓵᐁᐃᐅᐊᐍᐏᐑᐓᐯᐱᐳᐸᐺᐼᐾᑀᑌᑎᑐᑕᑗᑙᑛᑝᒍᒎᒐᒑᒪᒫᒧᒨᓀᓂᓄᓇᓊᓌᓎᓐᓓᓕᓗᓚᔉᔐᕁᕂᕂᕿᖁᗐᗑᗕ",
)
_SYMBOLS = (
    string.punctuation,
    _span("¡", "¿") + _span("₠", "₿") + _span("❡", "❵") + _span("✁", "❗"),
    _span("←", "⇿") + _span("⟰", "⟿") + _span("⤀", "⥁") + _span("➔", "➿"),
    _span("∀", "⋿"),
    _span("■", "⛿"),
)


def letters(count: int, generator: Generator) -> Bytes:
    """One letter each: Latin, Greek or Cyrillic, upright, italic, script, Fraktur or double-struck."""
    return _rendered([_choose(_LETTERS, generator) for _ in range(count)], generator)


def symbols(count: int, generator: Generator) -> Bytes:
    """One symbol each: punctuation, arrows, mathematics, dingbats."""
    return _rendered([_choose(_SYMBOLS, generator) for _ in range(count)], generator)


def words(count: int, generator: Generator) -> Bytes:
    """Two to five letters or digits side by side."""
    return _rendered([_word(generator) for _ in range(count)], generator)


def _rendered(texts: list[tuple[Path, str]], generator: Generator) -> Bytes:
    return laid_out(_render(font, text, generator) for font, text in texts)


@cache
def _fonts() -> dict[Path, frozenset[int]]:
    """The fonts of text among Matplotlib's, with the code points that each has; not those of parts of symbols."""
    import matplotlib
    from matplotlib.font_manager import get_font

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = sorted(path for start in ("DejaVu", "STIXGeneral", "cm") for path in folder.glob(f"{start}*.ttf"))
    # cmex has parts of symbols only, cmsy other things in the letters' places.
    return {path: frozenset(get_font(path).get_charmap()) for path in paths if path.stem not in ("cmex10", "cmsy10")}


@cache
def _glyphs(group: str) -> tuple[list[Path], str]:
    """Each glyph of a group that is no digit's twin: its font and, at the same place, its character."""
    found = [
        (font, text)
        for text in filter(_is_no_twin, group)
        for font, codes in _fonts().items()
        if _has(font, codes, text)
    ]
    return [font for font, _ in found], "".join(text for _, text in found)


def _is_no_twin(text: str) -> bool:
    # A decorated or accented letter is as much a twin as the plain one.
    return unicodedata.category(text)[0] in "LPS" and not {text, unicodedata.normalize("NFKD", text)[0]} & _TWINS


def _has(font: Path, codes: frozenset[int], text: str) -> bool:
    # The cm fonts have other things in the places of what is no letter.
    return ord(text) in codes and (text.isalpha() or not font.stem.startswith("cm"))


def _choose(groups: tuple[str, ...], generator: Generator) -> tuple[Path, str]:
    fonts, texts = _glyphs(groups[generator.integers(len(groups))])
    at = generator.integers(len(fonts))
    return fonts[at], texts[at]


def _word(generator: Generator) -> tuple[Path, str]:
    characters = (string.ascii_letters, string.digits, string.ascii_letters + string.digits)[generator.integers(3)]
    text = "".join(generator.choice(list(characters), generator.integers(2, 6)))
    fonts = [font for font, codes in _fonts().items() if codes.issuperset(map(ord, text))]
    return fonts[generator.integers(len(fonts))], text


@cache
def _face(font: Path) -> "FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.truetype(str(font), _SIZE, layout_engine=ImageFont.Layout.BASIC)


def _render(font: Path, text: str, generator: Generator) -> Bytes:
    """White on black, some bolder, all slanted, turned, stretched and softened by a little."""
    from PIL import Image, ImageDraw, ImageFilter

    bold = int(generator.integers(0, 3)) * (generator.random() < 0.5)
    left, top, right, bottom = map(round, _face(font).getbbox(text, stroke_width=bold))
    margin = _SIZE // 2
    sheet = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin))
    ImageDraw.Draw(sheet).text((margin - left, margin - top), text, 255, _face(font), stroke_width=bold)
    turn, slant = np.radians(generator.uniform(-_TURN, _TURN)), np.tan(np.radians(generator.uniform(-_SLANT, _SLANT)))
    stretch = np.exp(generator.uniform(-_STRETCH, _STRETCH))
    cos, sin = np.cos(turn), np.sin(turn)
    middle = np.array(sheet.size) / 2
    back = np.array([[cos * stretch, slant + sin], [-sin * stretch, cos]])
    offset = middle - back @ middle
    sheet = sheet.transform(
        sheet.size, Image.Transform.AFFINE, (*back[0], offset[0], *back[1], offset[1]), Image.Resampling.BILINEAR
    )
    return np.asarray(sheet.filter(ImageFilter.GaussianBlur(generator.uniform(0, 1.1))))
