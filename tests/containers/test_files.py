"""What holds of the Dockerfiles and the compose file without a container engine."""

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from service.settings import Settings, variables
from tests.containers.dockerfile import DOCKERFILES, ROOT, Instruction, final_stage, instructions
from trainer.recipe import read as read_recipe

FILES = (*DOCKERFILES, "docker-compose.yml")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def services() -> list[tuple[str, dict[str, Any]]]:
    return sorted(compose()["services"].items())


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: of its patterns the last that fits the path or a parent decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keep, pattern = pattern.startswith("!"), pattern.lstrip("!").removeprefix("**/")
        deep = f"**/{pattern}" in line
        candidates = [str(path), *map(str, Path(path).parents)]
        names = [Path(one).name for one in candidates] if deep else candidates
        if any(fnmatch.fnmatch(name, pattern) for name in names):
            out = not keep
    return out


@pytest.mark.parametrize("name", DOCKERFILES)
def test_user_is_numeric_and_not_root(name: str) -> None:
    """The image runs as a user given by number, so that an orchestrator can see that it is not root."""
    users = [one.rest for one in final_stage(name) if one.word == "USER"]
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_entrypoint_is_in_exec_form(name: str) -> None:
    """No shell stands between a signal and Python."""
    (entrypoint,) = [one for one in final_stage(name) if one.word == "ENTRYPOINT"]
    assert entrypoint.exec_form()[:2] == ["python", "-m"]


def test_healthcheck_asks_health_with_python() -> None:
    """The serving image tells its own health, without a tool that the image lacks."""
    (check,) = [one for one in final_stage("Dockerfile.serve") if one.word == "HEALTHCHECK"]
    command = check.exec_form()
    assert command[:2] == ["python", "-c"]
    assert "'/health'" in command[2]
    assert "'DIGITVOTE_PORT'" in command[2]
    compile(command[2], "HEALTHCHECK", "exec")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_only_slim_python_is_built_on_and_nothing_is_latest(name: str) -> None:
    """Every image built on is a slim Python of a named version, or a stage of the same file."""
    stages = [one.rest.rpartition(" AS ")[2] for one in instructions(name) if " AS " in one.rest]
    bases = [one.rest.partition(" AS ")[0] for one in instructions(name) if one.word == "FROM"]
    outside = [base for base in bases if base not in stages]
    assert outside
    assert all(re.fullmatch(r"python:3\.\d+-slim", base) for base in outside)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_final_stage_installs_nothing(name: str) -> None:
    """Tools that build and caches that they leave stay in earlier stages."""
    commands = " ".join(one.rest for one in final_stage(name) if one.word == "RUN")
    assert not re.search(r"\b(pip|apt|apt-get|npm|curl|wget)\b", commands)


def test_slim_is_the_serving_image_with_another_engine() -> None:
    """The target `slim` differs from the image that is built without one in its environment and its engine alone."""

    def told(stage: list[Instruction]) -> list[str]:
        return [f"{one.word} {one.rest}" for one in stage if one.word != "FROM"]

    full, slim = told(final_stage("Dockerfile.serve")), told(final_stage("Dockerfile.serve", "slim"))
    assert [line for line in full if line not in slim] == ["COPY --from=torch /venv /venv"]
    assert [line for line in slim if line not in full] == [
        "COPY --from=onnx /venv /venv",
        "ENV DIGITVOTE_ENGINE=onnx",
    ]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_source_comes_after_the_install(name: str) -> None:
    """The stage that installs torch sees no source, so a change of the source does not repeat it."""
    whole = instructions(name)
    end = next(place for place, one in enumerate(whole) if one.word == "FROM" and place)
    copied = [one.rest for one in whole[:end] if one.word == "COPY"]
    assert copied == ["pyproject.toml requirements.lock ./"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_exists_and_is_sent_to_the_builder(name: str) -> None:
    """Every path that is copied from the checkout is there, and .dockerignore lets it through."""
    for one in instructions(name):
        if one.word == "COPY" and "--from=" not in one.rest:
            for source in one.rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert not ignored(source), source


@pytest.mark.parametrize("path", [".venv", ".venv/bin/python", ".git", ".git/config", "runs", "data", "tests", ".env"])
def test_builder_gets_only_what_is_built_from(path: str) -> None:
    """Environments, history, checkpoints and data are not sent to the builder."""
    assert ignored(path)


@pytest.mark.parametrize("path", ["service/__pycache__", "service/engine/__pycache__/queue.cpython-311.pyc"])
def test_builder_gets_no_bytecode(path: str) -> None:
    """What this machine's Python left behind does not reach the image."""
    assert ignored(path)


def test_every_variable_is_a_setting() -> None:
    """No file sets a DIGITVOTE_ variable that neither the service nor the trainer reads."""
    trainer = " ".join(path.read_text("utf-8") for path in (ROOT / "trainer").rglob("*.py"))
    known = {*variables(), *re.findall(r"DIGITVOTE_[A-Z_]+", trainer)}
    used = {name for file in FILES for name in re.findall(r"DIGITVOTE_[A-Z_]+", (ROOT / file).read_text("utf-8"))}
    assert used <= known


def test_compose_builds_from_dockerfiles_that_exist() -> None:
    """Each service names its Dockerfile, and gives only arguments that it takes."""
    for name, service in services():
        file = service["build"]["dockerfile"]
        assert (ROOT / service["build"]["context"] / file).is_file(), name
        taken = {one.rest.partition("=")[0] for one in instructions(file) if one.word == "ARG"}
        assert set(service["build"]["args"]) <= taken, name


def test_plain_up_is_the_cpu_pair_and_gpu_excludes_it() -> None:
    """Each service has one profile, .env names that of a plain `up`, and a pair shares a port with no other."""
    by_profile = {profile: name for name, one in services() for profile in one["profiles"] if "ports" in one}
    assert by_profile == {"cpu": "serve", "gpu": "serve-gpu"}
    assert all(len(one["profiles"]) == 1 for _, one in services())
    assert "COMPOSE_PROFILES=cpu" in (ROOT / ".env").read_text("utf-8").splitlines()


@pytest.mark.parametrize(("serve", "train"), [("serve", "train"), ("serve-gpu", "train-gpu")])
def test_serving_waits_for_a_training_that_is_not_repeated(serve: str, train: str) -> None:
    """The service starts after a trainer that ended well, and that trains only where a model is missing."""
    found = dict(services())
    assert found[serve]["depends_on"] == {train: {"condition": "service_completed_successfully"}}
    assert found[serve]["profiles"] == found[train]["profiles"]
    assert "--if-missing" in found[train]["command"]
    assert found[train]["restart"] == "no"
    recipe = found[train]["command"][found[train]["command"].index("--recipe") + 1]
    assert read_recipe(re.sub(r"\$\{RECIPE:-(\w+)\}", r"\1", recipe)).name == "quick"


@pytest.mark.parametrize(("name", "device"), [("serve", "cpu"), ("serve-gpu", "cuda")])
def test_device_is_that_of_the_profile(name: str, device: str) -> None:
    """A service runs where its profile says, and only the GPU's asks for one."""
    service = dict(services())[name]
    assert service["environment"]["DIGITVOTE_DEVICE"] == device
    assert ("reservations" in service["deploy"]["resources"]) == (device == "cuda")


@pytest.mark.parametrize("name", ["serve", "serve-gpu"])
def test_compose_gives_the_service_time_to_drain(name: str) -> None:
    """A container is not killed before the service's own grace has passed."""
    grace: int = Settings.model_fields["grace"].default
    assert int(dict(services())[name]["stop_grace_period"].removesuffix("s")) > grace


@pytest.mark.parametrize("name", ["serve", "serve-gpu"])
def test_models_in_the_image_do_not_fill_the_volume(name: str) -> None:
    """The service reads the volume and never fills it, else the trainer would find the image's models there."""
    (mount,) = dict(services())[name]["volumes"]
    assert mount["read_only"]
    assert mount["volume"]["nocopy"]


def test_containers_are_confined() -> None:
    """Each container has a read-only root, no capability, no way to gain one, and bounded memory."""
    for name, service in services():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
