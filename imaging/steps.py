"""What may be done to a picture on its way, by name; docs/pictures.md says what each does."""

from typing import Literal

Turn = Literal[0, 90, 180, 270]

Step = Literal[
    "turned",
    "reduced",
    "grounded",
    "mixed",
    "flattened",
    "unruled",
    "brightened",
    "picked",
    "grown",
    "thickened",
    "thinned",
    "fitted",
    "centred",
    "unchanged",
]
