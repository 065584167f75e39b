"""python -m tests.hostile.corpus [--write FOLDER] [--artifacts FOLDER]

Sends every hostile file, form and request to a service that it starts, and prints what came of them by kind. With
`--write` the corpus is written to a folder instead, for other tools.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.hostile import archives, bitmaps, forms, jpeg, pixels, png, tiff, webp, wire
from tests.hostile.send import Answer, Problem, Service, request
from tests.support import ROOT, serving

_Files = Callable[[], Iterable[tuple[str, bytes]]]
PICTURES: dict[str, _Files] = {
    "PNG, cut": png.cut,
    "PNG, headers that lie": png.lies,
    "PNG, chunks in disorder": png.disorder,
    "PNG, palettes": png.palettes,
    "PNG, bombs": png.bombs,
    "JPEG, cut": jpeg.cut,
    "JPEG, segments that lie": jpeg.lies,
    "JPEG, bombs": jpeg.bombs,
    "GIF": bitmaps.gif,
    "BMP": bitmaps.bmp,
    "WebP": webp.webp,
    "TIFF": tiff.tiffs,
    "pixels": pixels.odd,
    "no pictures": pixels.strangers,
}
ARCHIVES: dict[str, _Files] = {
    "ZIP, cut": archives.cut,
    "ZIP, records that lie": archives.lies,
    "ZIP, names": archives.names,
    "ZIP, bombs": archives.bombs,
}
FORMS: dict[str, Callable[[], Iterable[forms.Form]]] = {
    "form, boundaries": forms.boundaries,
    "form, framing": forms.framing,
    "form, headers of parts": forms.headers,
    "form, many parts": forms.many,
}
REQUESTS: dict[str, _Files] = {
    "request, lengths": wire.lengths,
    "request, chunks": wire.chunks,
    "request, lines and headers": wire.requests,
}
PATHS = ("/predict", "/read", "/predict/batch", "/")
KINDS = (*PICTURES, *ARCHIVES, *FORMS, *REQUESTS)


@dataclass(frozen=True)
class Case:
    """One file, form or request, and the requests that bring it, by the path that each asks for."""

    kind: str
    name: str
    content: bytes
    requests: tuple[tuple[str, bytes], ...]


@cache
def corpus(kind: str) -> Sequence[Case]:
    """The cases of a kind; the same at each call."""
    return list(_cases(kind))


def _cases(kind: str) -> Iterator[Case]:
    if kind in PICTURES or kind in ARCHIVES:
        for name, content in (PICTURES | ARCHIVES)[kind]():
            form = forms.part(content) + forms.END
            sent = [(path, request(path, form, forms.FORM)) for path in PATHS]
            if kind in ARCHIVES:
                sent.append(("/predict/batch", request("/predict/batch", content, "application/zip")))
            yield Case(kind, name, content, tuple(sent))
    elif kind in FORMS:
        for name, content_type, body in FORMS[kind]():
            yield Case(kind, name, body, tuple((path, request(path, body, content_type)) for path in PATHS))
    else:
        for name, content in REQUESTS[kind]():
            yield Case(kind, name, content, (("", content),))


def tried(service: Service, case: Case, requests: Sequence[tuple[str, bytes]]) -> list[Answer]:
    """The answers to requests of a case, each held against what is documented, and to a good digit after them.

    Raises:
        Problem: if one is not as it must be.
    """
    answers = []
    for path, content in requests:
        try:
            answers.append(service.ask(path, content))
        except Problem as problem:
            raise Problem(f"{case.kind}: {case.name}: POST {path}: {problem}") from None
    try:
        service.ask_good()
    except Problem as problem:
        raise Problem(f"after {case.kind}: {case.name}: {problem}") from None
    return answers


def table(answers: dict[str, list[list[Answer]]]) -> str:
    """How many cases of each kind were sent how often, what was answered, and the longest that it took."""
    lines = ["| kind | cases | requests | answers by status | longest s |", "|---|---|---|---|---|"]
    for kind, of_cases in answers.items():
        every = [answer for of_case in of_cases for answer in of_case]
        statuses = Counter(str(answer.status or "closed") for answer in every)
        told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        longest = max(answer.seconds for answer in every)
        lines.append(f"| {kind} | {len(of_cases)} | {len(every)} | {told} | {longest:.2f} |")
    cases, sent = (sum(parts) for parts in zip(*[_sizes(of_cases) for of_cases in answers.values()], strict=True))
    return "\n".join([*lines, f"| all | {cases} | {sent} | | |"])


def _sizes(of_cases: list[list[Answer]]) -> tuple[int, int]:
    return len(of_cases), sum(map(len, of_cases))


def write(folder: Path) -> None:
    """Each case's file, form or request as a file."""
    for kind in KINDS:
        for number, case in enumerate(corpus(kind)):
            name = re.sub(r"[^\w.-]+", "-", f"{number:03} {case.name}", flags=re.ASCII)[:80]
            path = folder / kind.replace(", ", "-").replace(" ", "-") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(case.content)


def main() -> None:
    """Send or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the corpus here and send nothing")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    told = parser.parse_args()
    if told.write:
        write(told.write)
        return
    with serving(told.artifacts.resolve(), body_seconds=2, head_seconds=2) as process:
        service = Service(process.url, process.process.pid)
        print(table({kind: [tried(service, case, case.requests) for case in corpus(kind)] for kind in KINDS}))
        print(f"\nmemory of the service: {service.peak():.0f} MiB at most, {service.before:.0f} before the first")


if __name__ == "__main__":
    main()
