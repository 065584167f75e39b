"""What came of each file, and how it is written: CSV, JSON or NDJSON."""

import csv
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

Format = Literal["csv", "json", "ndjson"]

COLUMNS = ("file", "label", "confidence", "agreement", "accepted", "reason", "warnings", "error")


@dataclass(frozen=True)
class Row:
    """A file and its prediction or its error, as the service gave them."""

    file: str
    prediction: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def failed(path: Path, title: str, detail: str) -> Row:
    """A file that did not get as far as to be answered."""
    return Row(label(path), error={"type": "about:blank", "title": title, "detail": detail})


def label(path: Path) -> str:
    """A path as text; bytes in it that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _csv(rows: Iterable[Row], out: TextIO) -> None:
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        lines.writerow(_cells(row))


def _cells(row: Row) -> list[object]:
    if row.prediction is None:
        error = row.error or {}
        return [row.file, *[""] * (len(COLUMNS) - 2), f"{error.get('title')}: {error.get('detail')}"]
    told = row.prediction
    return [
        row.file,
        told["label"],
        told["confidence"],
        told["agreement"],
        str(told["accepted"]).lower(),
        told["reason"] or "",
        "; ".join(told["warnings"]),
        "",
    ]


def _json(rows: Iterable[Row], out: TextIO) -> None:
    before = "\n"
    out.write("[")
    for row in rows:
        out.write(before + _object(row))
        before = ",\n"
    out.write("\n]\n")


def _ndjson(rows: Iterable[Row], out: TextIO) -> None:
    for row in rows:
        out.write(_object(row) + "\n")


def _object(row: Row) -> str:
    told = {"prediction": row.prediction} if row.error is None else {"error": row.error}
    return json.dumps({"file": row.file, **told}, ensure_ascii=False, separators=(",", ":"))


WRITERS: dict[Format, Callable[[Iterable[Row], TextIO], None]] = {"csv": _csv, "json": _json, "ndjson": _ndjson}
