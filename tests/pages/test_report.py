"""The models' page and the operator's."""

import json
import re
import shutil
from pathlib import Path

import httpx
from playwright.sync_api import Page, Route, expect

from registry import store
from tests.support import RELEASE, ROOT, committed


def test_the_report_shows_each_model(page: Page) -> None:
    """Of each model the version that votes, its accuracy, curve, confusion matrix and worst mistakes are shown."""
    manifest = store.manifest(RELEASE, "cnn", committed("cnn"))
    report = json.loads((store.version_path(RELEASE, "cnn", manifest.version) / "report/metrics.json").read_text())
    test, vote = manifest.metrics["test"], report["vote"]["test"]["weighted"]
    page.goto("/report")
    heads = page.locator(".overview thead th")
    expect(heads).to_have_count(4)
    expect(heads.nth(1)).to_have_text(re.compile(f"^CNN version {manifest.version} *voting now$"))
    figures = page.locator(".overview tbody tr td:nth-of-type(2)")
    told = " ".join(figures.all_inner_texts())
    for figure in (
        f"{test.accuracy:.2%}".replace("%", " %"),
        f"{round((1 - test.accuracy) * test.examples)} of 10,000 misread",
        f"{manifest.parameters:,}",
        "1.03 MB",
        "12,624,896",
        "release",
    ):
        assert figure in told
    read = f"counted by the rule weighted) read {vote['accuracy'] * 100:.2f} % of 10,000 test digits right"
    expect(page.get_by_text(read)).to_be_visible()
    expect(page.locator(".confusion")).to_have_count(3)
    expect(page.locator(".curve")).to_have_count(4)
    expect(page.get_by_role("figure")).to_have_count(3 * 5 + 2)
    mistakes = page.get_by_role("img", name=f"The worst mistakes of CNN, version {manifest.version}")
    mistakes.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth > 100", arg=mistakes.element_handle())


def test_the_parser_reads_the_text_format(page: Page) -> None:
    """Labels with quotes, breaks and braces, infinities and comments are read as Prometheus writes them."""
    text = (
        '# HELP a b\\n# TYPE a counter\na{x="1,\\"}\\n",y=""} 2.5\nb_bucket{le="+Inf"} 3\nc NaN\nd 1e-05 1700000000\n'
    )
    found = page.evaluate(
        "async (text) => Object.fromEntries((await import('/static/scripts/metrics.js')).parse(text))", text
    )
    assert found["a"] == [{"labels": {"x": '1,"}\n', "y": ""}, "value": 2.5}]
    assert found["b_bucket"] == [{"labels": {"le": "+Inf"}, "value": 3}]
    assert found["c"][0]["value"] != found["c"][0]["value"]
    assert found["d"] == [{"labels": {}, "value": 1e-05}]


def test_quantiles_and_means_come_from_what_was_gained(page: Page) -> None:
    """Between two readings of a histogram only what came in between counts; after a restart all of it."""
    early = 'h_bucket{le="1"} 10\nh_bucket{le="2"} 10\nh_bucket{le="+Inf"} 10\nh_sum 5\nh_count 10\n'
    late = 'h_bucket{le="1"} 10\nh_bucket{le="2"} 14\nh_bucket{le="+Inf"} 14\nh_sum 11\nh_count 14\n'
    program = """async ([now, before]) => {
      const { buckets, mean, parse, quantile } = await import('/static/scripts/metrics.js');
      const [one, other] = [parse(now), parse(before)];
      const gained = buckets(one, other, "h");
      return [gained.map(([, count]) => count), quantile(gained, 0.5), mean(one, other, "h")];
    }"""
    assert page.evaluate(program, [late, early]) == [[0, 4, 0], 1.5, 1.5]
    assert page.evaluate(program, [early, late]) == [[10, 0, 0], 0.5, 0.5]


def test_the_dashboard_draws_as_it_runs(page: Page) -> None:
    """State, rates, latency, batches, queue, digits and models are drawn from one reading of /metrics to the next."""
    page.goto("/dashboard")
    expect(page.locator("#tile-state .big")).to_have_text("ready")
    expect(page.locator("#tile-models tbody tr")).to_contain_text(["MLP", "CNN", "LeNet-5", "Gate"])
    with (ROOT / "docs" / "examples" / "seven.png").open("rb") as picture:
        httpx.post(page.url.replace("dashboard", "predict"), files={"file": picture})
    httpx.post(page.url.replace("dashboard", "predict"), files={"file": b"none"})
    expect(page.locator("#tile-requests path")).to_have_attribute("d", re.compile("^M.*L"))
    expect(page.locator("#tile-latency dd").first).not_to_be_empty()
    expect(page.locator("#tile-queue dd")).to_have_text(["0", "0"])
    expect(page.locator("#tile-stages")).to_contain_text("LeNet-5, a batch")
    expect(page.locator("#tile-trouble")).to_contain_text("refused: not-a-picture")
    digits = page.get_by_role("img", name=re.compile("Digits read: 0: "))
    assert not (digits.get_attribute("aria-label") or "7: 0,").count(" 7: 0,")


def test_the_dashboard_says_what_is_missing(page: Page) -> None:
    """A service without /metrics, and one that is gone, are told apart in words; what comes back is drawn again."""
    answers = [404, 0]

    def answer(route: Route) -> None:
        status = answers.pop(0) if answers else 200
        if status == 0:
            route.abort()
        elif status == 200:
            route.continue_()
        else:
            route.fulfill(status=status)

    page.route("**/metrics", answer)
    page.clock.install()
    page.goto("/dashboard")
    expect(page.locator("#trouble h2")).to_have_text("This service has no metrics")
    page.clock.run_for(2500)
    expect(page.locator("#trouble h2")).to_have_text("The service does not answer")
    page.clock.run_for(2500)
    expect(page.locator("#tile-state .big")).to_have_text("ready")
    expect(page.locator("#trouble")).to_be_empty()


def test_the_dashboard_tells_of_versions_that_do_not_simply_vote(page: Page) -> None:
    """What /health says of a model that is not loaded, a canary and a version that failed stands there in words."""
    models = [
        {"model": "mlp", "loaded": False, "reason": "no version of it"},
        {"model": "cnn", "loaded": True, "canary": {"version": 3, "percent": 10, "loaded": True, "reason": None}},
        {"model": "lenet5", "loaded": True, "tried": [{"version": 2, "stage": "failed", "reason": "is off by 0.5"}]},
    ]
    health = {"state": "degraded", "reason": "not voting: mlp", "models": models, "gate": None}
    page.route("**/health", lambda route: route.fulfill(status=200, json=health))
    page.goto("/dashboard")
    expect(page.locator("#tile-state")).to_contain_text("not voting: mlp")
    expect(page.locator("#tile-models .note")).to_have_text(
        [
            "MLP does not vote: no version of it",
            "CNN, version 3, takes 10 % of the batches",
            "LeNet-5, version 2, failed: is off by 0.5",
        ]
    )


def test_versions_stand_side_by_side(page: Page, release: Path) -> None:
    """A version published beside the one that votes is shown beside it, newest first."""
    version = committed("cnn")
    newer = release / "cnn" / str(version + 1)
    shutil.copytree(store.version_path(release, "cnn", version), newer)
    manifest = newer / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"version": {version},', f'"version": {version + 1},', 1))
    try:
        page.goto("/report")
        heads = page.locator('section[aria-labelledby="cnn"] h3')
        expect(heads).to_have_text([f"version {version + 1}", re.compile(f"^version {version} voting now$")])
    finally:
        shutil.rmtree(newer)
