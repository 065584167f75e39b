import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest

pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")

import ray
from ray import serve
from ray.serve._private.common import ReplicaState
from ray.serve.context import _get_global_client

from registry import store
from service.cluster import deployed as outside
from service.cluster.application import NAME
from tests.service.cluster.conftest import Deployed
from tests.service.cluster.load import Answer, Load, ask_all, labels, loaded, thousand
from tests.support import ROOT
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900, func_only=True)]  # others may have a cluster first
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def expected(alone: httpx.Client) -> list[Answer]:
    """What one process answers to the thousand digits."""
    return ask_all(alone, thousand(), 8)


def test_a_cluster_answers_as_one_process_does(deployed: Deployed, expected: list[Answer]) -> None:
    """On 1,000 digits by 16 clients every label and vote is the same, and every probability to 1e-4."""
    answers = ask_all(deployed.client, thousand(), 16)
    assert [labels(answer) for answer in answers] == [labels(answer) for answer in expected]
    for answer, other in zip(answers, expected, strict=True):
        for vote, same in zip(answer["votes"], other["votes"], strict=True):
            np.testing.assert_allclose(vote["probabilities"], same["probabilities"], atol=1e-4)


@pytest.mark.parametrize("name", ["seven.png", "three.jpg", "four.png"])
def test_large_pictures_are_decoded_as_in_one_process(deployed: Deployed, alone: httpx.Client, name: str) -> None:
    """What the decoding replicas make of a picture, and tell of it, is what one process does."""
    files = {"file": (EXAMPLES / name).read_bytes()}
    ours, theirs = (each.post("/predict?explain=true", files=files).json() for each in (deployed.client, alone))
    assert ours["seen"] == theirs["seen"]
    assert labels(ours) == labels(theirs)


def test_numbers_pages_and_tensors_come_through(deployed: Deployed, alone: httpx.Client) -> None:
    """/read, the form without scripts, /predict/batch and /v2 answer as in one process."""
    number, seven = ((EXAMPLES / name).read_bytes() for name in ("number.png", "seven.png"))
    for client in (deployed.client, alone):
        assert client.post("/read", files={"file": number}).json()["text"] == "29168"
        assert "7" in client.post("/", files={"file": seven}).text
        many = client.post("/predict/batch", files=[("file", each) for each in (*thousand()[:40], b"no", number)])
        assert (many.json()["answered"], many.json()["failed"]) == (41, 1)
        tensor = {"name": "INPUT__0", "shape": [2, 1, 28, 28], "datatype": "FP32", "data": [0.0] * 2 * 784}
        told = client.post("/v2/models/lenet5/infer", json={"inputs": [tensor]})
        assert told.json()["outputs"][0]["shape"] == [2, 10], told.text
    for path in ("/", "/docs", "/dashboard", "/report", "/openapi.json", "/models", "/v2/models/stats", "/health/live"):
        assert deployed.client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "content", [b"", b"text" * 500, (EXAMPLES / "seven.png").read_bytes()[:-200], b"\x89PNG\r\n\x1a\n" + bytes(2000)]
)
def test_errors_come_out_as_in_one_process(deployed: Deployed, alone: httpx.Client, content: bytes) -> None:
    """What is wrong with a picture is told with the same status and words, whichever process has found it."""
    ours, theirs = (each.post("/predict", files={"file": ("a.png", content)}) for each in (deployed.client, alone))
    assert ours.status_code == theirs.status_code >= 400
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert {**ours.json(), "request_id": ""} == {**theirs.json(), "request_id": ""}
    assert ours.headers["x-request-id"] == ours.json()["request_id"]


def test_a_deadline_is_kept_over_the_cluster(deployed: Deployed) -> None:
    """A request whose sender waits for a millisecond gets 504."""
    picture = {"file": (EXAMPLES / "three.jpg").read_bytes()}
    late = deployed.client.post("/predict", files=picture, headers={"X-Request-Timeout-Ms": "1"})
    assert (late.status_code, late.json()["type"]) == (504, "urn:digitvote:too-late")


def test_metrics_have_every_replica(deployed: Deployed) -> None:
    """/metrics tells the series of all replicas, each with its replica as a label."""
    assert deployed.client.post("/predict", files={"file": thousand()[0]}).status_code == 200
    until(lambda: counting(deployed.client) == names(), "a replica is not in the metrics")
    text = deployed.client.get("/metrics").text
    assert 'digitvote_requests_total{method="POST",replica="ingress#' in text
    assert text.count("# TYPE digitvote_votes_total counter") == 1


def test_a_model_is_unloaded_and_loaded_in_all_replicas(deployed: Deployed) -> None:
    """What /v2 takes out of the vote has no part in any replica's, and comes back to all."""
    assert deployed.client.post("/v2/repository/models/cnn/unload").status_code == 200
    assert {report.reason for report in outside.reports()} == {"not voting: cnn"}
    refused = deployed.client.post("/v2/repository/models/mlp/unload")
    assert (refused.status_code, "2 must" in refused.text) == (400, True)
    assert deployed.client.post("/v2/repository/models/cnn/load").status_code == 200
    assert {report.state for report in outside.reports()} == {"ready"}


def test_a_new_version_is_taken_up_by_every_replica(deployed: Deployed, expected: list[Answer]) -> None:
    """A version that is published under load is served by all replicas after its checks, and no request fails."""
    with loaded(str(deployed.client.base_url), expected, 4) as load:
        new = publish_again(deployed.artifacts, "mlp")
        until(lambda: versions("mlp") == {new}, "not every replica has taken up the new version")
        until(lambda: load.right >= 20, "too little was answered")
    assert (load.wrong, load.failed) == ([], {})
    assert deployed.client.post("/predict", files={"file": thousand()[0]}).json()["votes"][0]["version"] == new


def test_replicas_come_and_go_with_the_load(deployed: Deployed, expected: list[Answer]) -> None:
    """Under load a third replica of the models comes, without it goes again, and nothing fails meanwhile."""
    until(lambda: running("vote") == 2, "there are not as few replicas as there may be")
    with loaded(str(deployed.client.base_url), expected, 16) as load:
        until(lambda: running("vote") == 3, "there are not more replicas under load")
    until(lambda: running("vote") == 2, "there are not fewer replicas without load")
    assert (load.wrong, load.failed) == ([], {})


def test_replicas_and_a_node_are_lost_under_load(deployed: Deployed, expected: list[Answer]) -> None:
    """No answer is wrong; a request fails only with a 5xx, and is answered when it is sent again."""
    with loaded(str(deployed.client.base_url), expected, 16) as load:
        answered(load, 100)
        for deployment in ("vote", "ingress"):
            lose(deployment)
            answered(load, 100)
        assert replicas(deployed.node.node_id), "nothing would be lost with the node"
        deployed.cluster.remove_node(deployed.node, allow_graceful=False)
        until(lambda: not replicas(deployed.node.node_id), "the node's replicas are still there")
        until(lambda: running("vote") >= 2 and running("ingress") == 2, "what the node had was not replaced")
        answered(load, 100)
    print(f"{load.right} right, {sum(load.failed.values())} failed: {dict(load.failed)}")  # for docs/scaling.md
    assert (load.wrong, load.lost) == ([], [])
    assert all(form.startswith(("500", "502", "503", "504")) for form in load.failed), load.failed


def answered(load: Load, more: int) -> None:
    """Wait until so many more requests were answered right."""
    enough = load.right + more
    until(lambda: load.right >= enough, "too little was answered")


def lose(deployment: str) -> None:
    """End a replica's process, and wait until there is another."""
    victim = replicas(deployment=deployment)[0]
    ray.kill(ray.get_actor(f"SERVE_REPLICA::{NAME}#{victim}", namespace="serve"))
    until(
        lambda: victim not in replicas(deployment=deployment) and running(deployment) >= 2, f"{victim} was not replaced"
    )


def publish_again(artifacts: Path, name: str) -> int:
    """The newest version of a model once more, as the next, which is given."""
    newest = store.versions(artifacts, name)[-1]
    staged = shutil.copytree(store.version_path(artifacts, name, newest), artifacts / name / ".staging-again")
    manifest = json.loads((staged / "manifest.json").read_text())
    (staged / "manifest.json").write_text(json.dumps(manifest | {"version": newest + 1}))
    staged.rename(store.version_path(artifacts, name, newest + 1))
    return newest + 1


def versions(model: str) -> set[int | None]:
    """Which versions of a model the replicas serve."""
    return {report.places[model].voter.model.version for report in outside.reports()}


def names() -> set[str]:
    """The replicas of the models."""
    return {report.replica for report in outside.reports()}


def counting(client: httpx.Client) -> set[str]:
    """The replicas of the models of which /metrics tells what they serve."""
    lines = client.get("/metrics").text.splitlines()
    info = [line for line in lines if line.startswith("digitvote_model_info{")]
    return {part for line in info for part in line.split('"') if part.startswith("vote#")}


def replicas(node: str = "", deployment: str = "") -> list[str]:
    """The replicas of all deployments that run, or of those on a node, or of one deployment."""
    client = _get_global_client()
    assert client is not None
    deployments = client.get_serve_details()["applications"][NAME]["deployments"]
    return [
        f"{name}#{each['replica_id']}"
        for name, one in deployments.items()
        for each in one["replicas"]
        if deployment in ("", name) and node in ("", each.get("node_id")) and each["state"] == "RUNNING"
    ]


def running(deployment: str) -> int:
    """How many replicas of a deployment run, as Ray Serve tells it."""
    return serve.status().applications[NAME].deployments[deployment].replica_states.get(ReplicaState.RUNNING, 0)
