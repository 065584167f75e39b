import csv
import io
import json
from pathlib import Path

from service.client.rows import COLUMNS, WRITERS, Row, failed, label

PREDICTION = {
    "label": 7, "confidence": 0.9, "agreement": 1.0, "accepted": False, "reason": "unsure", "warnings": ["a", "b"],
}  # fmt: skip
ROWS = [Row("one.png", PREDICTION), failed(Path('t"wo,.png'), "The file cannot be read", "No such file")]


def written(form: str) -> str:
    out = io.StringIO()
    next(writer for name, writer in WRITERS.items() if name == form)(iter(ROWS), out)
    return out.getvalue()


def test_csv_has_a_line_a_file() -> None:
    """The cells of a prediction or the error's words, read back by a CSV reader."""
    lines = list(csv.reader(io.StringIO(written("csv"))))
    assert lines == [
        list(COLUMNS),
        ["one.png", "7", "0.9", "1.0", "false", "unsure", "a; b", ""],
        ['t"wo,.png', "", "", "", "", "", "", "The file cannot be read: No such file"],
    ]


def test_json_and_ndjson_hold_the_whole_answer() -> None:
    """Both give the same objects, the one as an array, the other a line each."""
    told = json.loads(written("json"))
    assert told == [json.loads(line) for line in written("ndjson").splitlines()]
    assert told[0] == {"file": "one.png", "prediction": PREDICTION}
    assert told[1]["error"]["title"] == "The file cannot be read"


def test_nothing_is_an_empty_array() -> None:
    """JSON without rows is JSON."""
    out = io.StringIO()
    WRITERS["json"](iter(()), out)
    assert json.loads(out.getvalue()) == []


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    """Bytes of a path that are no UTF-8 are replaced."""
    assert label(Path(b"a\xff.png".decode("utf-8", "surrogateescape"))) == "a\ufffd.png"
