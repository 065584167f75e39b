import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import typer
import yaml  # type: ignore[import-untyped]

from service.app import create_app
from service.settings import Settings, read_settings, variables
from tests.containers.dockerfile import final_stage
from tests.deploy.manifests import (
    FOLDER,
    OVERLAYS,
    Manifest,
    built,
    kustomizations,
    of_kind,
    pods,
    read,
    resources,
    server,
    settings,
    trainer,
    with_kubectl,
)
from tests.metrics import described
from tests.support import ROOT
from trainer.__main__ import app as trainer_app

ADAPTER = FOLDER / "components" / "scaling" / "prometheus-adapter.yaml"
VERSIONS = ("1.30", kubernetes_validate.latest_version())  # the oldest that docs/kubernetes.md names, and the newest
CUSTOM = ("InferenceService", "ServiceMonitor")  # not Kubernetes' own, so its schemas do not have them

ROUTES = create_app(Settings()).openapi()["paths"]

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def _mib(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_every_file_is_used_and_every_file_named_exists() -> None:
    """The kustomizations name each file of the folder, but for Helm's values, and none that is not there."""
    named = set()
    for folder, one in kustomizations().items():
        patches = [patch["path"] for patch in one.get("patches", ()) if "path" in patch]
        envs = [name for generator in one.get("configMapGenerator", ()) for name in generator["envs"]]
        listed = [*one.get("resources", ()), *one.get("components", ()), *one.get("configurations", ())]
        named |= {(folder / name).resolve() for name in (*listed, *patches, *envs)}
    tops = {FOLDER / "overlays" / name for name in OVERLAYS}
    files = {path for path in FOLDER.rglob("*") if path.is_file() and path.name != "kustomization.yaml"}
    assert named | tops == (files - {ADAPTER}) | set(kustomizations())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", resources(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_manifest_is_one_that_kubernetes_takes(path: Path, version: str) -> None:
    """Each file is valid by the API's own schema, in which a field that it does not have is an error."""
    manifest = read(path)
    if manifest["kind"] not in CUSTOM:
        kubernetes_validate.validate(manifest, version, strict=True)


@with_kubectl
@each_overlay
def test_an_overlay_is_one_that_kubernetes_takes(overlay: str) -> None:
    """So is what kubectl makes of each overlay, with its patches and generated names, in one namespace."""
    for manifest in built(overlay):
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "digitvote"
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)


def test_a_misspelt_field_is_not_taken() -> None:
    """The validation finds a probe whose field has a wrong name."""
    manifest = read(FOLDER / "overlays" / "cpu" / "deployment.yaml")
    probe = manifest["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    probe["periodSecond"] = probe.pop("periodSeconds")
    with pytest.raises(kubernetes_validate.ValidationError, match="periodSecond"):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_images_have_their_tags_in_one_place() -> None:
    """The manifests name images that docs/kubernetes.md builds; the tag, the project's version, stands apart."""
    (images,) = [one["images"] for one in kustomizations().values() if "images" in one]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {image["newTag"] for image in images} == {project["version"]}
    texts = [path.read_text() for path in FOLDER.rglob("*.yaml")]
    used = {name for text in texts for name in re.findall(r"^ +image: (\S+)", text, re.MULTILINE)}
    assert used == {image["name"] for image in images}
    builds = (ROOT / "docs" / "kubernetes.md").read_text()
    assert used <= set(re.findall(r"-t (?:\S+/)?([\w-]+):\S+ \.", builds))


@with_kubectl
@each_overlay
def test_every_pod_gets_a_tagged_image(overlay: str) -> None:
    """No pod, an InferenceService's too, runs an image without a tag."""
    for _, _, pod in pods(overlay):
        assert [one["image"].count(":") for one in pod["containers"]] == [1]


@with_kubectl
@each_overlay
def test_every_pod_is_confined(overlay: str) -> None:
    """Each pod runs as the image's user, without rights, a writable root or the API's token, and in stated bounds."""
    for kind, _, pod in pods(overlay):
        image = "Dockerfile.train" if kind == "CronJob" else "Dockerfile.serve"
        (user,) = [one.rest for one in final_stage(image) if one.word == "USER"]
        security = pod["securityContext"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == user
        assert security["runAsNonRoot"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # else DIGITVOTE_PORT would be an address
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
        assert all("sizeLimit" in one["emptyDir"] for one in pod["volumes"] if "emptyDir" in one)
        asked, allowed = container["resources"]["requests"], container["resources"]["limits"]
        assert asked["cpu"]
        assert _mib(asked["memory"]) < _mib(allowed["memory"])


@with_kubectl
@each_overlay
def test_the_service_asks_for_the_memory_that_it_takes(overlay: str) -> None:
    """The request is more than docs/performance.md measured after load."""
    text = (ROOT / "docs" / "performance.md").read_text()
    measured = re.search(r"^\| the service \|.*\| (\d+) \([^|]*\|$", text, re.MULTILINE)
    assert measured is not None
    assert _mib(server(overlay)[1]["resources"]["requests"]["memory"]) > int(measured[1])


@with_kubectl
@each_overlay
def test_every_selector_selects(overlay: str) -> None:
    """Each selector fits the labels of a pod or Service of the overlay, and each pod is under a network policy."""
    labels = [label for _, label, _ in pods(overlay)]

    def chosen(selector: dict[str, str]) -> list[Manifest]:
        return [label for label in labels if selector.items() <= label.items()]

    for one in of_kind(overlay, "Deployment"):
        (spread,) = one["spec"]["template"]["spec"]["topologySpreadConstraints"]
        selector = one["spec"]["selector"]["matchLabels"]
        assert spread["labelSelector"]["matchLabels"] == selector
        assert chosen(selector) == [one["spec"]["template"]["metadata"]["labels"]]
        budgets = of_kind(overlay, "PodDisruptionBudget")
        assert [budget["spec"]["selector"]["matchLabels"] for budget in budgets] == [selector]
        assert [service["spec"]["selector"] for service in of_kind(overlay, "Service")] == [selector]
    policies = [one["spec"] for one in of_kind(overlay, "NetworkPolicy")]
    guarded = [chosen(policy["podSelector"]["matchLabels"]) for policy in policies]
    assert all(len(pods) == 1 for pods in guarded)
    assert all(set(policy["policyTypes"]) == {"Ingress", "Egress"} and "egress" not in policy for policy in policies)
    assert all([label] in guarded for label in labels)
    for one in of_kind(overlay, "ServiceMonitor"):
        (service,) = of_kind(overlay, "Service")
        assert one["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


@with_kubectl
@each_overlay
def test_ports_and_probes_are_the_services(overlay: str) -> None:
    """The port is the image's, by one name everywhere, and each probe's path is a route."""
    _, container = server(overlay)
    (port,) = container["ports"]
    environment = " ".join(one.rest for one in final_stage("Dockerfile.serve") if one.word == "ENV")
    assert f"DIGITVOTE_PORT={port['containerPort']}" in environment
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert "get" in ROUTES[asked["path"]]
        assert asked["port"] == port["name"]
    for service in of_kind(overlay, "Service"):
        assert [one["targetPort"] for one in service["spec"]["ports"]] == [port["name"]]
    policies = [one["spec"] for one in of_kind(overlay, "NetworkPolicy") if "ingress" in one["spec"]]
    (opened,) = [entry["port"] for policy in policies for way in policy["ingress"] for entry in way["ports"]]
    assert opened in (port["name"], port["containerPort"])


@with_kubectl
@each_overlay
def test_settings_are_ones_that_the_service_has(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is a setting with a value that it can have; a pod is killed only after it had time to drain."""
    given = settings(overlay)
    assert given.keys() <= variables().keys()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read_by_service = read_settings()
    pod, container = server(overlay)
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + read_by_service.drain_seconds + read_by_service.grace < pod["terminationGracePeriodSeconds"]


@with_kubectl
@each_overlay
def test_the_trainer_publishes_where_the_service_reads(overlay: str) -> None:
    """The trainer's arguments are its command's, and its --artifacts is the volume that the service has read-only."""
    words = trainer(overlay)["args"]
    command: Any = typer.main.get_command(trainer_app)
    with command.commands[words[0]].make_context(words[0], words[1:]) as context:
        artifacts = str(context.params["artifacts"])
        runs = str(context.params["runs"])
    writes = {one["mountPath"]: one for one in trainer(overlay)["volumeMounts"]}
    assert writes.keys() == {artifacts, runs, "/tmp"}
    _, container = server(overlay)
    reads = {one["mountPath"]: one for one in container["volumeMounts"]}
    environment = " ".join(one.rest for one in final_stage("Dockerfile.serve") if one.word == "ENV")
    assert f"DIGITVOTE_ARTIFACTS={artifacts}" in environment
    assert reads[artifacts]["readOnly"] is True
    (claim,) = of_kind(overlay, "PersistentVolumeClaim")
    for _, _, each in pods(overlay):
        claims = [one["persistentVolumeClaim"]["claimName"] for one in each["volumes"] if one["name"] == "artifacts"]
        assert claims == [claim["metadata"]["name"]]


@with_kubectl
def test_the_autoscaler_asks_for_what_the_adapter_gives() -> None:
    """It scales the Deployment, which says no number itself, by a gauge of the service that the adapter's rule has."""
    (autoscaler,) = of_kind("scaled", "HorizontalPodAutoscaler")
    (deployment,) = of_kind("scaled", "Deployment")
    assert autoscaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]
    asked = [one["pods"]["metric"]["name"] for one in autoscaler["spec"]["metrics"] if one["type"] == "Pods"]
    (rule,) = read(ADAPTER)["rules"]["custom"]
    assert [re.match(r"\w+", rule["seriesQuery"])[0]] == asked  # type: ignore[index]
    assert set(asked) <= {metric.name for metric in described() if metric.kind == "gauge"}
    assert {label: one["resource"] for label, one in rule["resources"]["overrides"].items()} == {
        "namespace": "namespace",
        "pod": "pod",
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not here")
def test_the_adapters_query_gives_each_pods_mean(tmp_path: Path) -> None:
    """Promtool, told how deep two pods' queues were, gets each one's mean of a minute from the adapter's query."""
    query = read(ADAPTER)["rules"]["custom"][0]["metricsQuery"]
    for placeholder, value in {
        "<<.GroupBy>>": "pod", "<<.Series>>": "digitvote_queue_depth", "<<.LabelMatchers>>": 'namespace="digitvote"'
    }.items():  # fmt: skip
        query = query.replace(placeholder, value)
    series = 'digitvote_queue_depth{namespace="digitvote",pod="%s"}'
    test = {
        "interval": "15s",
        "input_series": [
            {"series": series % "a", "values": "0 0 32 0 32"},
            {"series": series % "b", "values": "4x4"},
        ],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "70s",
                "exp_samples": [{"labels": '{pod="a"}', "value": 16}, {"labels": '{pod="b"}', "value": 4}],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@with_kubectl
def test_the_monitor_scrapes_the_services_metrics() -> None:
    """The ServiceMonitor names the Service's port and the route of the metrics, and nothing else."""
    (monitor,) = of_kind("scaled", "ServiceMonitor")
    (service,) = of_kind("scaled", "Service")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"].keys() == {"selector", "endpoints"}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint.keys() == {"port", "path", "interval"}
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["path"] in ROUTES


@with_kubectl
def test_kserve_serves_as_the_deployment_does() -> None:
    """The predictor is a pod by Kubernetes' schema plus KServe's own fields, with the Deployment's container."""
    (service,) = of_kind("kserve", "InferenceService")
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    assert service["spec"].keys() == {"predictor"}
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    pod = {name: value for name, value in service["spec"]["predictor"].items() if name not in own}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": pod}
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)
    deployed, container = server("cpu")
    (predictor,) = pod.pop("containers")
    assert predictor["name"] == "kserve-container"  # by which KServe knows it

    def plain(one: Manifest) -> str:
        return str(yaml.safe_dump({**one, "name": "", "ports": ""})).replace("port: http1\n", "port: http\n")

    assert plain(predictor) == plain(container)
    assert pod.items() <= deployed.items()


@with_kubectl
def test_the_gpu_overlay_has_a_gpu_for_each() -> None:
    """The trainer and the service each take one GPU, and are told to use it."""
    for _, _, pod in pods("gpu"):
        (container,) = pod["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert settings("gpu")["DIGITVOTE_DEVICE"] == "cuda"
    words = trainer("gpu")["args"]
    assert words[words.index("--device") + 1] == "cuda"
