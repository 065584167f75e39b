"""The serving images, built and run for real where a container engine answers and has the image it is built on."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from service.settings import Settings
from tests.containers.dockerfile import ROOT, instructions

BASE = instructions("Dockerfile.serve")[0].rest.partition(" AS ")[0]

pytestmark = pytest.mark.timeout(3600)  # the first build downloads torch


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def engine() -> str:
    """Docker or podman, whichever answers and has, or can pull, the image that ours is built on."""
    there = [name for name in ("docker", "podman") if shutil.which(name)]
    answering = [name for name in there if run(name, "info").returncode == 0]
    if not answering:
        pytest.skip(f"no container engine: {' and '.join(there) or 'docker and podman'} not running or not installed")
    for name in answering:
        if run(name, "image", "inspect", BASE).returncode == 0 or run(name, "pull", BASE).returncode == 0:
            return name
    pytest.skip(f"{BASE} cannot be pulled by {' or '.join(answering)}")


@pytest.fixture(scope="module", params=["full", "slim"])
def image(engine: str, request: pytest.FixtureRequest) -> str:
    """The name of either target's image; TORCH_VERSION and PIP_EXTRA_INDEX_URL are taken from the environment."""
    taken = [f"--build-arg={name}" for name in ("TORCH_VERSION", "PIP_EXTRA_INDEX_URL")]
    name = f"digitvote-serve:test-{request.param}"
    built = run(engine, "build", *taken, f"--target={request.param}", "-f", "Dockerfile.serve", "-t", name, ".")
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return name


@pytest.fixture
def container(engine: str, image: str) -> Iterator[str]:
    """A running container's id, confined as docker-compose.yml does it."""
    confined = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    started = run(engine, "run", "--detach", *confined, "--publish=127.0.0.1::8000", image)
    assert started.returncode == 0, started.stderr
    name = started.stdout.split()[-1]
    yield name
    run(engine, "rm", "--force", name)


def url(engine: str, container: str) -> str:
    told = run(engine, "port", container, "8000/tcp")
    assert told.stdout, told.stderr + run(engine, "logs", container).stderr
    return f"http://{told.stdout.split()[-1]}"


def wait_until_ready(base: str, seconds: int = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.get(f"{base}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"not ready after {seconds} s")


def test_image_answers_is_healthy_and_ends_well(engine: str, container: str) -> None:
    """Without a mount the image reads the example digit, finds itself healthy, and exits 0 after SIGTERM."""
    base = url(engine, container)
    wait_until_ready(base)
    with (ROOT / "docs/examples/seven.png").open("rb") as file:
        assert httpx.post(f"{base}/predict", files={"file": file}).json()["label"] == 7
    (check,) = [one for one in instructions("Dockerfile.serve") if one.word == "HEALTHCHECK"]
    assert run(engine, "exec", container, *check.exec_form()).returncode == 0
    grace: int = Settings.model_fields["grace"].default
    run(engine, "stop", f"--time={grace}", container)
    assert run(engine, "inspect", "--format={{.State.ExitCode}}", container).stdout.strip() == "0"


def test_image_holds_neither_the_trainer_s_needs_nor_pip(engine: str, image: str) -> None:
    """What is served from has no torchvision, matplotlib or pip, and slim no torch; it runs as its own user."""
    script = (
        "import importlib.util, os; "
        "print(os.getuid(), [m for m in ('torch', 'torchvision', 'matplotlib', 'pip') if importlib.util.find_spec(m)])"
    )
    done = run(engine, "run", "--rm", "--entrypoint=python", image, "-c", script)
    engines = [] if image.endswith("slim") else ["torch"]
    assert done.stdout.split(maxsplit=1) == ["10001", f"{engines}\n"], done.stderr
