import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.metrics import described
from tests.support import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "digitvote.json"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return panels


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def _expressions() -> Iterator[str]:
    yield from (target["expr"] for panel in _panels() for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in _rules())


def _labels() -> dict[str, set[str]]:
    """Each series that the service has, and its labels; `le`, the bucket's bound, is a histogram's own."""
    return {
        series: {*metric.labels, "le"} if series.endswith("_bucket") else set(metric.labels)
        for metric in described()
        for series in metric.series
    }


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
def test_what_a_panel_or_an_alert_asks_for_exists(expression: str) -> None:
    """Each series of an expression is one of the service's, and each label that is matched is one of its labels."""
    series = _labels()
    used = re.findall(r"\b(digitvote_\w+)(?:\{([^}]*)\})?", expression)
    assert used
    for name, matchers in used:
        assert name in series
        # Prometheus itself adds job and instance.
        assert set(re.findall(r"(\w+)\s*[=!]~?", matchers)) <= series[name] | {"job", "instance"}


def test_every_metric_is_on_the_dashboard() -> None:
    """Nothing is measured that nobody sees."""
    shown = " ".join(target["expr"] for panel in _panels() for target in panel.get("targets", ()))
    assert [metric.name for metric in described() if metric.name not in shown] == []


def test_no_panel_lies_on_another() -> None:
    """Each cell of the dashboard's grid belongs to one panel at most, and each panel has an id of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        place = panel["gridPos"]
        cells = {
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(column for column, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in _panels()}) == len(_panels())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not here")
def test_the_rules_are_ones_that_prometheus_takes() -> None:
    """Promtool finds nothing wrong with the rules."""
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(_rules())} rules found" in done.stdout


# What a service tells each minute, and which of these alerts stand after a quarter of an hour.
_TOLD: dict[str, tuple[dict[str, str], dict[str, dict[str, str] | None]]] = {
    "one model of two failed when it started": (
        {
            'digitvote_model_loads_total{instance="a", job="d", model="cnn", outcome="failed"}': "1x20",
            'digitvote_model_loads_total{instance="a", job="d", model="mlp", outcome="failed"}': "0x20",
            'digitvote_model_info{instance="a", job="d", model="mlp", version="1"}': "1x20",
        },
        {"DigitvoteModelNotLoaded": {"instance": "a", "job": "d", "model": "cnn", "severity": "warning"}},
    ),
    "one that failed once is there by now": (
        {
            'digitvote_model_loads_total{instance="a", job="d", model="cnn", outcome="failed"}': "1x20",
            'digitvote_model_info{instance="a", job="d", model="cnn", version="2"}': "1x20",
        },
        {"DigitvoteModelNotLoaded": None},
    ),
    "a new worker's failed, the others have theirs": (
        {
            'digitvote_model_loads_total{instance="a", job="d", model="cnn", outcome="failed"}': "0x10 1x10",
            'digitvote_model_info{instance="a", job="d", model="cnn", version="1"}': "1x20",
        },
        {"DigitvoteModelNotLoaded": {"instance": "a", "job": "d", "model": "cnn", "severity": "warning"}},
    ),
    "an object store is gone": (
        {'digitvote_store_reached{instance="a", job="d", address="s3://b/p"}': "1x2 0x20"},
        {
            "DigitvoteStoreNotReached": {
                "instance": "a",
                "job": "d",
                "address": "s3://b/p",
                "severity": "warning",
            }
        },
    ),
    "one is back, and another was away for a moment": (
        {
            'digitvote_store_reached{instance="a", job="d", address="s3://b/p"}': "0x12 1x10",
            'digitvote_store_reached{instance="b", job="d", address="s3://b/p"}': "1x10 0 1x10",
        },
        {"DigitvoteStoreNotReached": None},
    ),
    "half of all is refused as too much": (
        {
            'digitvote_requests_total{instance="a", job="d", route="/predict", status="200"}': "0+100x20",
            'digitvote_requests_total{instance="a", job="d", route="/predict", status="503"}': "0+100x20",
            'digitvote_refusals_total{instance="a", job="d", error="busy"}': "0+100x20",
        },
        {"DigitvoteErrors": None, "DigitvoteBusy": {"instance": "a", "job": "d", "severity": "warning"}},
    ),
    "half of all fails": (
        {
            'digitvote_requests_total{instance="a", job="d", route="/predict", status="200"}': "0+100x20",
            'digitvote_requests_total{instance="a", job="d", route="/predict", status="500"}': "0+100x20",
        },
        {"DigitvoteErrors": {"instance": "a", "job": "d", "severity": "critical"}},
    ),
    "a version that is served is wrong on what is fed back": (
        {
            'digitvote_live_accuracy{instance="a", job="d", model="cnn", version="2", bound="high"}': "0.8x60",
            'digitvote_live_answers{instance="a", job="d", model="cnn", version="2"}': "120x60",
            'digitvote_model_info{instance="a", job="d", model="cnn", version="2", sha256="f"}': "1x60",
        },
        {"DigitvoteLiveAccuracy": {"instance": "a", "job": "d", "model": "cnn", "version": "2", "severity": "warning"}},
    ),
    "one that is served no more was, and of another little is known": (
        {
            'digitvote_live_accuracy{instance="a", job="d", model="cnn", version="1", bound="high"}': "0.8x60",
            'digitvote_live_answers{instance="a", job="d", model="cnn", version="1"}': "120x60",
            'digitvote_model_info{instance="a", job="d", model="cnn", version="1", sha256="f"}': "0x60",
            'digitvote_live_accuracy{instance="a", job="d", model="mlp", version="1", bound="high"}': "0.8x60",
            'digitvote_live_answers{instance="a", job="d", model="mlp", version="1"}': "12x60",
            'digitvote_model_info{instance="a", job="d", model="mlp", version="1", sha256="f"}': "1x60",
        },
        {"DigitvoteLiveAccuracy": None},
    ),
    "answers are not remembered": (
        {'digitvote_feedback_lost_total{instance="a", job="d"}': "0+5x20"},
        {"DigitvoteFeedbackLost": {"instance": "a", "job": "d", "severity": "warning"}},
    ),
    "a model fails on batches": (
        {'digitvote_refusals_total{instance="a", job="d", error="no-quorum"}': "0+1x20"},
        {"DigitvoteNoQuorum": {"instance": "a", "job": "d", "severity": "warning"}},
    ),
}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not here")
@pytest.mark.parametrize("case", _TOLD)
def test_an_alert_stands_where_it_should_and_nowhere_else(case: str, tmp_path: Path) -> None:
    """Promtool, given what a service tells, finds these alerts, or none of that name."""
    told, alerts = _TOLD[case]
    rules = {rule["alert"]: rule for rule in _rules()}
    for rule in rules.values():
        del rule["annotations"]  # they would have to be written out here
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "digitvote", "rules": list(rules.values())}]})
    )
    expected = [
        {"alertname": name, "eval_time": "15m", "exp_alerts": [{"exp_labels": labels}] if labels else []}
        for name, labels in alerts.items()
    ]
    series = [{"series": name, "values": values} for name, values in told.items()]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": expected}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not here")
def test_every_panel_asks_in_promql(tmp_path: Path) -> None:
    """Promtool takes each of the dashboard's expressions as a rule, with Grafana's variables filled in."""
    asked = [target["expr"] for panel in _panels() for target in panel.get("targets", ())]
    filled = [
        expr.replace("$__rate_interval", "1m").replace("$__range", "1h").replace("$instance", ".*") for expr in asked
    ]
    rules = [{"record": f"panel_{number}", "expr": expr} for number, expr in enumerate(filled)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
