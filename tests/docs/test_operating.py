import re

import yaml  # type: ignore[import-untyped]

from tests.metrics import described
from tests.support import ROOT

OPERATING = (ROOT / "docs" / "operating.md").read_text()


def test_every_metric_stands_in_the_docs() -> None:
    """docs/operating.md holds exactly the metrics, with their kinds, labels and meanings."""
    rows = re.findall(r"^\| `(digitvote_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", OPERATING, re.MULTILINE)
    told = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, kind, labels, meaning in rows]
    assert told == [(metric.name, metric.kind, metric.labels, metric.meaning) for metric in described()]


def test_every_alert_stands_in_the_docs() -> None:
    """docs/operating.md says what to do about each alert, in the order of the rules."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    assert re.findall(r"^\| `(Digitvote\w+)` \|", OPERATING, re.MULTILINE) == alerts
