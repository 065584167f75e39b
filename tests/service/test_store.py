import asyncio
import os
import re
import subprocess
import sys
import threading
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from registry import store
from registry.address import Address
from registry.manifest import GATE
from registry.versions import at
from service.app import create_app
from service.ensemble import Ensemble
from service.errors import NoQuorum
from service.settings import Settings, SettingsError, read_settings
from tests import objectstore
from tests.objectstore import S3
from tests.service import test_rollout as rollouts
from tests.service.test_metrics import samples
from tests.service.test_rollout import tried, voting
from tests.support import (
    ROOT,
    Linear,
    drawing,
    encoded,
    hosting,
    publish_model,
    publish_three,
    serving,
    wait_until_loaded,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio

FIRST = {"mlp": 1, "cnn": 1, "lenet5": 1}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models and a gate, and of the CNN two versions; not to be changed."""
    root = publish_three(tmp_path_factory.mktemp("release"))
    publish_model(root, "cnn", Linear(7))
    return root


@pytest.fixture
def address(s3: S3, release: Path) -> Address:  # noqa: ARG001
    """The first version of each model on a store, in a bucket of its own."""
    address = objectstore.bucket("s3")
    for model in (GATE, *FIRST):
        put(address, release, model, 1)
    return address


def put(address: Address, root: Path, model: str, version: int) -> None:
    """Publish a version of a folder on a store, as its next."""
    manifest = store.manifest(root, model, version)
    names = (store.MODEL_FILE, *manifest.files)
    files = {name: (store.version_path(root, model, version) / name).read_bytes() for name in names}
    at(address).publish(manifest, files)


def loaded(address: Address, cache: Path, **changes: object) -> AbstractAsyncContextManager[Ensemble]:
    """An ensemble that has loaded its models from a store, which it looks at when it is told to."""
    return rollouts.loaded(address, artifacts_cache=cache, **changes)


async def test_rollout_and_rollback(address: Address, release: Path, tmp_path: Path) -> None:
    """What is published on the store votes, and what is removed there gives way to the newest that is left."""
    async with loaded(address, tmp_path) as ensemble:
        assert await voting(ensemble) == FIRST
        assert ensemble.health() == ("ready", None)
        put(address, release, "cnn", 2)
        await ensemble.rollout.look()
        assert await voting(ensemble) == {**FIRST, "cnn": 2}
        objectstore.remove(address, "cnn", 2)
        await ensemble.rollout.look()
        assert await voting(ensemble) == FIRST
        assert store.versions(ensemble.settings.root, "cnn") == [1]
        objectstore.remove(address, "cnn", 1)
        for _ in range(2):
            await ensemble.rollout.look()
        assert await voting(ensemble) == FIRST
        assert tried(ensemble, "cnn")[1][0] == "gone"


async def test_a_pin_is_kept_to(address: Address, release: Path, tmp_path: Path) -> None:
    """DIGITVOTE_VERSIONS chooses among what lies on the store; nothing else is copied."""
    put(address, release, "cnn", 2)
    async with loaded(address, tmp_path, versions="cnn=1") as ensemble:
        assert await voting(ensemble) == FIRST
        assert store.versions(ensemble.settings.root, "cnn") == [1]
    async with loaded(address, tmp_path, versions="cnn=2:50%") as ensemble:
        place = ensemble.rollout.places["cnn"]
        assert (place.voter.model.version, place.canary and place.canary.model.version) == (1, 2)


async def test_a_damaged_version_is_not_taken(address: Address, release: Path, tmp_path: Path) -> None:
    """With a changed object it is refused by its address and the old version stays; mended there it votes."""
    async with loaded(address, tmp_path) as ensemble:
        put(address, release, "cnn", 2)
        content = (release / "cnn" / "2" / "model.pt").read_bytes()
        objectstore.write(address, "cnn/2/model.pt", content[:-1] + b"?")
        for _ in range(3):
            await ensemble.rollout.look()
        assert await voting(ensemble) == FIRST
        stage, reason = tried(ensemble, "cnn")[2]
        assert (stage, ensemble.health()) == ("failed", ("ready", None))
        assert f"{address}/cnn/2/model.pt: sha256 is" in reason
        assert store.versions(ensemble.settings.root, "cnn") == [1]
        objectstore.write(address, "cnn/2/model.pt", content)
        await ensemble.rollout.look()
        assert await voting(ensemble) == {**FIRST, "cnn": 2}


async def test_a_half_published_version_is_none(address: Address, release: Path, tmp_path: Path) -> None:
    """Objects without a manifest, as a killed publish leaves them, are not even tried."""
    async with loaded(address, tmp_path) as ensemble:
        objectstore.write(address, "cnn/2/model.pt", (release / "cnn" / "2" / "model.pt").read_bytes())
        await ensemble.rollout.look()
        assert await voting(ensemble) == FIRST
        assert tried(ensemble, "cnn") == {}


async def test_what_is_served_outlives_the_store(s3: S3, address: Address, release: Path, tmp_path: Path) -> None:
    """A store that goes changes no vote and is told once; when it is back, what came meanwhile votes."""
    put(address, release, "cnn", 2)
    objectstore.remove(address, "cnn", 2)
    async with loaded(address, tmp_path) as ensemble:
        with capture_logs() as lines, s3.down():
            for _ in range(2):
                await ensemble.rollout.look()
            state, reason = ensemble.health()
            assert state == "ready"
            assert str(reason).startswith(f"object store not reached: {address}: cannot be listed: ")
            assert await voting(ensemble) == FIRST
            assert tried(ensemble, "cnn") == {}
        assert [line["event"] for line in lines] == ["object store not reached"]
        put(address, release, "cnn", 2)
        models = {name: place.voter.model for name, place in ensemble.rollout.places.items()}
        await ensemble.rollout.look()
        assert ensemble.health() == ("ready", None)
        assert await voting(ensemble) == {**FIRST, "cnn": 2}
        assert ensemble.rollout.places["mlp"].voter.model is models["mlp"], "what is served is not loaded again"


async def test_a_start_without_the_store(s3: S3, address: Address, release: Path, tmp_path: Path) -> None:
    """From copies the models of before vote, and /health says so; without copies there are none until it is back."""
    put(address, release, "cnn", 2)
    async with loaded(address, tmp_path) as ensemble:
        assert await voting(ensemble) == {**FIRST, "cnn": 2}
    with ExitStack() as outage:
        outage.enter_context(s3.down())
        async with loaded(address, tmp_path) as ensemble:
            assert await voting(ensemble) == {**FIRST, "cnn": 2}
            state, reason = ensemble.health()
            assert (state, "object store not reached" in str(reason)) == ("ready", True)
        async with loaded(address, tmp_path / "empty") as ensemble:
            state, reason = ensemble.health()
            assert state == "failed"
            assert "0 of 3 models can vote, 2 must; object store not reached: s3://" in str(reason)
            assert "no copy of a version of it" in str(ensemble.rollout.places["cnn"].voter.model.reason)
            with pytest.raises(NoQuorum) as raised:  # whoever sends a picture is not told where the store is
                ensemble.check()
            assert str(raised.value) == "0 of 3 models can vote, 2 must. /health says why."
            outage.close()
            await ensemble.rollout.look()
            assert ensemble.health() == ("ready", None)
            assert await voting(ensemble) == {**FIRST, "cnn": 2}


async def test_a_damaged_copy_is_not_served(s3: S3, address: Address, tmp_path: Path) -> None:
    """A copy that somebody changed is made anew; while there is no store it does not vote."""
    async with loaded(address, tmp_path) as ensemble:
        path = ensemble.settings.root / "cnn" / "1" / "model.pt"
    path.write_bytes(b"damaged")
    with s3.down():
        async with loaded(address, tmp_path) as ensemble:
            assert ensemble.health()[0] == "degraded"
            assert await voting(ensemble) == {"mlp": 1, "lenet5": 1}
            assert tried(ensemble, "cnn")[1][0] == "waiting"
    async with loaded(address, tmp_path) as ensemble:
        assert await voting(ensemble) == FIRST


async def test_a_store_that_hangs_holds_no_request(
    s3: S3, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a look waits for the store pictures are voted on, models are unloaded and loaded; then it is told."""
    async with loaded(address, tmp_path) as ensemble:
        before = len(s3.requests)
        with s3.hanging():
            looking = asyncio.create_task(ensemble.rollout.look())
            await asyncio.to_thread(until, lambda: len(s3.requests) > before)
            await ensemble.rollout.unload("cnn")
            assert await voting(ensemble) == {"mlp": 1, "lenet5": 1}
            assert not looking.done()
        await looking
        await ensemble.rollout.load("cnn")
        assert await voting(ensemble) == FIRST
        monkeypatch.setattr("registry.objects._LISTING_SECONDS", 0.5)
        with s3.hanging():
            await ensemble.rollout.look()
            assert "no answer in time" in str(ensemble.health()[1])


async def test_a_store_that_hangs_in_a_download_holds_no_load_and_no_unload(
    s3: S3, address: Address, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a version's objects do not come, every model is unloaded at once, and others loaded."""
    monkeypatch.setattr("service.rollout._ASKING_SECONDS", 0.1)
    async with loaded(address, tmp_path) as ensemble:
        put(address, release, "cnn", 2)
        asked, coming = threading.Event(), threading.Event()

        def hang(_method: str, path: str) -> None:
            if path == f"/{address.path}/cnn/2/model.pt":
                asked.set()
                coming.wait(60)

        monkeypatch.setattr(s3, "instead", hang)
        looking = asyncio.create_task(ensemble.rollout.look())
        try:
            assert await asyncio.to_thread(asked.wait, 60)
            await ensemble.rollout.unload("mlp")
            assert await voting(ensemble) == {"cnn": 1, "lenet5": 1}
            with s3.hanging():
                await ensemble.rollout.load("mlp")
            assert await voting(ensemble) == FIRST
            await ensemble.rollout.unload("cnn")
            assert await voting(ensemble) == {"mlp": 1, "lenet5": 1}
            assert not looking.done()
        finally:
            coming.set()
        await looking
        assert await voting(ensemble) == {"mlp": 1, "lenet5": 1}, "unloaded as its new version came"
        await ensemble.rollout.load("cnn")
        assert await voting(ensemble) == {**FIRST, "cnn": 2}


@pytest.mark.usefixtures("s3")
async def test_a_wrong_bucket_is_told(tmp_path: Path) -> None:
    """/health says which bucket is not there, and so does each model."""
    async with loaded(Address("s3", "no-such-bucket/prefix"), tmp_path) as ensemble:
        state, reason = ensemble.health()
        assert state == "failed"
        assert "s3://no-such-bucket/prefix: there is no such bucket" in str(reason)
    async with loaded(objectstore.bucket("s3"), tmp_path) as ensemble:
        assert ensemble.health()[0] == "failed"
        assert "no version of it in s3://" in str(ensemble.rollout.places["cnn"].voter.model.reason)


def test_health_and_the_report_tell_of_the_store(s3: S3, address: Address, tmp_path: Path) -> None:
    """/health has the address, whether it was reached and when, so have the metrics; /report shows the copies."""
    settings = Settings(artifacts=address, artifacts_cache=tmp_path, poll_seconds=0.2)

    def reached() -> float | None:
        told = samples(client.get("/metrics").text)
        return told.get(("digitvote_store_reached", frozenset({("address", str(address))})))

    with hosting(create_app(settings)) as client:
        told = wait_until_loaded(client)["store"]
        assert reached() == 1
        assert (told["address"], told["reached"], told["reason"]) == (str(address), True, None)
        assert told["seen"]
        assert "cnn" in client.get("/report").text
        with s3.down():
            until(lambda: not client.get("/health").json()["store"]["reached"])
            until(lambda: reached() == 0)
            health = client.get("/health")
            assert (health.status_code, health.json()["state"]) == (200, "ready")
            assert "cannot be listed" in health.json()["store"]["reason"]
            assert client.post("/predict", files={"file": encoded(drawing())}).status_code == 200
        until(lambda: client.get("/health").json()["store"]["reached"])
        until(lambda: reached() == 1)


def test_workers_share_their_copies(address: Address, release: Path, tmp_path: Path) -> None:
    """Two workers that start over one empty cache both serve and take up what comes, and no key is logged."""
    settings = {"artifacts_cache": tmp_path, "workers": 2, "poll_seconds": 0.2, "log_level": "debug"}
    with serving(address, **settings) as running:  # type: ignore[arg-type]
        assert httpx.get(f"{running.url}/health", timeout=30).json()["state"] == "ready"
        put(address, release, "cnn", 2)

        def versions() -> set[int]:
            asked = [httpx.get(f"{running.url}/health", timeout=30).json()["models"][1] for _ in range(8)]
            return {each["version"] for each in asked}

        until(lambda: versions() == {2})
        assert running.stop() == 0
    logged = "".join(running.output)
    assert "digitvote-test-secret" not in logged
    assert "Authorization" not in logged
    assert "Signature" not in logged


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("s3://", "an address is s3://BUCKET/PREFIX"),
        ("ftp://bucket/prefix", "ftp:// is none of s3://, gs://, az://, memory://, or a folder"),
    ],
)
def test_a_wrong_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, told: str) -> None:
    """What is no address is named with what is one."""
    monkeypatch.setenv("DIGITVOTE_ARTIFACTS", value)
    with pytest.raises(SettingsError, match=re.escape(f"DIGITVOTE_ARTIFACTS={value!r}: {told}")):
        read_settings()


def test_a_key_in_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address with credentials is refused without them."""
    monkeypatch.setenv("DIGITVOTE_ARTIFACTS", "s3://id:secret@bucket/prefix")
    with pytest.raises(SettingsError, match="credentials are given as") as error:
        read_settings()
    assert "secret" not in str(error.value)


_WITHOUT = "import sys; sys.modules['s3fs'] = None; from service.__main__ import cli; cli(prog_name='service')"


def test_what_cannot_work_ends_the_start(tmp_path: Path) -> None:
    """Without the extra, or a folder for copies, the service ends with status 2 and what to do."""
    (tmp_path / "file").write_bytes(b"")
    for code, cache, told in (
        (_WITHOUT, tmp_path, "s3:// needs s3fs: pip install 'digitvote[s3]'"),
        (
            _WITHOUT.replace("sys.modules['s3fs'] = None", "None"),
            tmp_path / "file",
            "Set it to a folder that can be written",
        ),
    ):
        variables = {"DIGITVOTE_ARTIFACTS": "s3://bucket/prefix", "DIGITVOTE_ARTIFACTS_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr
