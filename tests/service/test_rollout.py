import gc
import json
import shutil
import weakref
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from registry import torchscript
from registry.address import Address
from registry.golden import Golden
from registry.manifest import GATE
from registry.publish import publish
from service.ensemble import Ensemble
from service.rollout import RolloutError
from service.schemas import Stage
from service.settings import Settings
from service.vote import Outcome
from tests.drafts import draft
from tests.service.test_metrics import samples
from tests.support import Linear, golden_pictures, publish_model, publish_three

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def loaded(artifacts: Path | Address, **changes: object) -> AsyncIterator[Ensemble]:
    """An ensemble that has loaded its models, and looks at the artifacts when it is told to."""
    settings = Settings.model_validate({"artifacts": artifacts, "poll_seconds": 0, "max_batch": 4, **changes})
    ensemble = Ensemble(settings)
    ensemble.start()
    await ensemble.loaded.wait()
    try:
        yield ensemble
    finally:
        await ensemble.stop()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three models and a gate, one version each."""
    return publish_three(tmp_path)


async def vote(ensemble: Ensemble) -> Outcome:
    """The vote on a picture."""
    return (await ensemble.vote(golden_pictures()[0])).outcome


async def voting(ensemble: Ensemble) -> dict[str, int]:
    """Which versions vote on a picture."""
    return {cast.model: cast.version for cast in (await vote(ensemble)).cast}


def tried(ensemble: Ensemble, name: str) -> dict[int, tuple[Stage, str]]:
    """What became of the versions of a model that do not vote."""
    seats = ensemble.rollout.places[name].seats
    return {each.version: (each.stage, each.reason) for seat in seats for each in seat.attempts.values()}


def counted(model: str) -> Counter[str]:
    """How many versions were loaded, and failed by step, in all services of this process."""
    from service import metrics

    told = samples(metrics.text().decode())
    return Counter(
        {
            dict(labels)["step"]: int(value)
            for (name, labels), value in told.items()
            if name == "digitvote_model_loads_total" and dict(labels)["model"] == model
        }
    )


async def test_a_new_version_votes_from_the_next_batch_on(root: Path) -> None:
    """What is published while serving votes once it was looked for, and the metrics say which version is served."""
    from service import metrics

    async with loaded(root) as ensemble:
        before = await vote(ensemble)
        newer = publish_model(root, "cnn", Linear(7))
        assert await voting(ensemble) == {"mlp": 1, "cnn": 1, "lenet5": 1}
        await ensemble.rollout.look()
        after = await vote(ensemble)
        assert await voting(ensemble) == {"mlp": 1, "cnn": 2, "lenet5": 1}
        assert before.cast[1].probabilities != after.cast[1].probabilities
        assert before.cast[0] == after.cast[0]
        told = samples(metrics.text().decode())
        served = {
            dict(labels)["version"]: value
            for (name, labels), value in told.items()
            if name == "digitvote_model_info" and dict(labels)["sha256"] == newer.sha256
        }
        assert served == {"2": 1}
        old = ensemble.rollout.places["mlp"].voter.model.manifest
        assert old is not None
        publish_model(root, "mlp", Linear(8))
        await ensemble.rollout.look()
        gone = frozenset({("model", "mlp"), ("version", "1"), ("sha256", old.sha256)})
        assert samples(metrics.text().decode())["digitvote_model_info", gone] == 0


class Narrow(torch.nn.Module):
    """Logits of nine digits."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 9] of pictures [N, 1, 28, 28]."""
        return pictures.flatten(1)[:, :9]


def _corrupt(root: Path) -> None:
    publish_model(root, "cnn", Linear(7))
    (root / "cnn" / "2" / "model.pt").write_bytes(b"altered")


def _no_module(root: Path) -> None:
    golden = Golden(golden_pictures(), np.zeros((4, 10), np.float32))
    publish(root, draft("cnn"), {"model.pt": b"not a module", "golden.npz": golden.dump()})


def _other_weights(root: Path) -> None:
    golden = Golden(golden_pictures(), np.zeros((4, 10), np.float32))
    publish(root, draft("cnn"), {"model.pt": torchscript.dump(Linear(7)), "golden.npz": golden.dump()})


def _nine_logits(root: Path) -> None:
    golden = Golden(golden_pictures(), np.zeros((4, 10), np.float32))
    publish(root, draft("cnn"), {"model.pt": torchscript.dump(Narrow()), "golden.npz": golden.dump()})


def _another_name(root: Path) -> None:
    publish_model(root, "mlp", Linear(7))
    (root / "mlp" / "2").rename(root / "cnn" / "2")


BAD = {
    _corrupt: ("verify", "sha256 is"),
    _no_module: ("load", "model.pt cannot be loaded"),
    _other_weights: ("golden", "on the golden digits"),
    _nine_logits: ("golden", "gives (4, 9) on the golden digits"),
    _another_name: ("verify", "speaks of mlp 2"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_version_is_not_taken_and_tells_why(root: Path, bad: object) -> None:
    """Whatever it fails at, the old version stays; the reason and a count by step are kept, and it is tried once."""
    assert callable(bad)
    step, reason = BAD[bad]
    async with loaded(root) as ensemble:
        before = counted("cnn")
        bad(root)
        for _ in range(4):
            await ensemble.rollout.look()
        assert await voting(ensemble) == {"mlp": 1, "cnn": 1, "lenet5": 1}
        assert ensemble.health() == ("ready", None)
        ((version, (stage, told)),) = tried(ensemble, "cnn").items()
        assert (version, stage) == (2, "failed")
        assert reason in told
        assert counted("cnn") - before == {step: 1}


async def test_a_version_that_is_still_being_copied_is_waited_for(root: Path) -> None:
    """Without its manifest, then with half of its module, it waits and has not failed; once it is whole it votes."""
    async with loaded(root) as ensemble:
        before = counted("cnn")
        publish_model(root, "cnn", Linear(7))
        folder = root / "cnn" / "2"
        content, manifest = (folder / "model.pt").read_bytes(), (folder / "manifest.json").read_bytes()
        (folder / "manifest.json").unlink()
        for _ in range(3):
            await ensemble.rollout.look()
            assert tried(ensemble, "cnn")[2][0] == "waiting"
        (folder / "manifest.json").write_bytes(manifest)
        for part in (2, 3):
            (folder / "model.pt").write_bytes(content[: len(content) // part])
            await ensemble.rollout.look()
            assert tried(ensemble, "cnn")[2][0] == "waiting"
        (folder / "model.pt").write_bytes(content)
        await ensemble.rollout.look()
        assert (await voting(ensemble))["cnn"] == 2
        assert tried(ensemble, "cnn") == {}
        assert counted("cnn") - before == {"": 1}


async def test_a_failed_version_that_is_mended_votes(root: Path) -> None:
    """Its files changed, it is tried again."""
    async with loaded(root) as ensemble:
        publish_model(root, "cnn", Linear(7))
        path = root / "cnn" / "2" / "model.pt"
        content = path.read_bytes()
        path.write_bytes(b"altered")
        for _ in range(2):
            await ensemble.rollout.look()
        assert tried(ensemble, "cnn")[2][0] == "failed"
        path.write_bytes(content)
        await ensemble.rollout.look()
        assert (await voting(ensemble))["cnn"] == 2


async def test_removing_the_folder_rolls_back(root: Path) -> None:
    """The newest version that is left votes; where none is, the loaded one stays and is told to be gone."""
    publish_model(root, "cnn", Linear(7))
    async with loaded(root) as ensemble:
        assert (await voting(ensemble))["cnn"] == 2
        shutil.rmtree(root / "cnn" / "2")
        await ensemble.rollout.look()
        assert (await voting(ensemble))["cnn"] == 1
        shutil.rmtree(root / "cnn")
        await ensemble.rollout.look()
        assert (await voting(ensemble))["cnn"] == 1
        assert tried(ensemble, "cnn")[1][0] == "gone"
        assert ensemble.health()[0] == "ready"


async def test_a_number_that_is_used_again_is_a_new_version(root: Path) -> None:
    """Removed and published anew between two looks, the new files vote."""
    async with loaded(root) as ensemble:
        before = await vote(ensemble)
        shutil.rmtree(root / "cnn" / "1")
        publish_model(root, "cnn", Linear(7))
        await ensemble.rollout.look()
        after = await vote(ensemble)
        assert after.cast[1].version == 1
        assert before.cast[1].probabilities != after.cast[1].probabilities


async def test_a_served_version_whose_files_are_damaged_stays(root: Path) -> None:
    """What was verified is in memory: no older version takes its place, and the damage is told."""
    publish_model(root, "cnn", Linear(7))
    async with loaded(root) as ensemble:
        (root / "cnn" / "2" / "model.pt").write_bytes(b"altered")
        for _ in range(2):
            await ensemble.rollout.look()
        assert (await voting(ensemble))["cnn"] == 2
        assert tried(ensemble, "cnn")[2][0] == "failed"


async def test_at_the_start_the_newest_that_passes_votes(root: Path) -> None:
    """A newest version that fails does not keep the one before it from voting."""
    _corrupt(root)
    async with loaded(root) as ensemble:
        assert await voting(ensemble) == {"mlp": 1, "cnn": 1, "lenet5": 1}
        assert tried(ensemble, "cnn")[2][0] == "failed"


async def test_what_is_missing_at_the_start_votes_once_it_comes(root: Path) -> None:
    """A model without a version says where it was looked for; published later, it votes."""
    shutil.rmtree(root / "cnn")
    async with loaded(root) as ensemble:
        assert ensemble.health() == ("degraded", "not voting: cnn")
        assert f"no version of it in {root}" in (ensemble.models[1].reason or "")
        publish_model(root, "cnn", Linear(7))
        await ensemble.rollout.look()
        assert ensemble.health() == ("ready", None)
        assert (await voting(ensemble))["cnn"] == 1


async def test_a_model_that_is_missing_is_logged_once(root: Path) -> None:
    """With the reason, at the first look that finds none, and anew where the reason is another."""
    shutil.move(root / "cnn", root / "elsewhere")
    with capture_logs() as lines:
        async with loaded(root) as ensemble:
            await ensemble.rollout.look()
            (root / "cnn" / "1").mkdir(parents=True)
            await ensemble.rollout.look()
            await ensemble.rollout.look()
    told = [line["reason"] for line in lines if line["event"] == "model missing"]
    assert [line["model"] for line in lines if line["event"] == "model missing"] == ["cnn", "cnn"]
    assert "no version of it" in told[0]
    assert "no manifest.json" in told[1]


async def test_a_gate_is_replaced_as_the_others_are(root: Path) -> None:
    """A new version of the gate judges the next batch."""
    from tests.support import Ink

    async with loaded(root) as ensemble:
        assert (await vote(ensemble)).reason != "does not look like one digit"
        publish_model(root, GATE, Ink(), thresholds={"balanced": 1e9, "strict": 1e9})
        await ensemble.rollout.look()
        assert (await vote(ensemble)).reason == "does not look like one digit"


async def test_a_pinned_version_votes_and_no_other(root: Path) -> None:
    """A newer one is not taken, and in place of one that is not there none votes."""
    publish_model(root, "cnn", Linear(7))
    async with loaded(root, versions="cnn=1") as ensemble:
        assert (await voting(ensemble))["cnn"] == 1
    async with loaded(root, versions="cnn=3") as ensemble:
        assert "cnn" not in await voting(ensemble)
        assert "no version 3 of it" in (ensemble.models[1].reason or "")


async def test_a_canary_takes_its_share_of_the_batches(root: Path) -> None:
    """Of twenty batches a fifth is the canary's, the rest that of the version before it; one after it waits."""
    for seed in (7, 8, 9):
        publish_model(root, "cnn", Linear(seed))
    async with loaded(root, versions="cnn=3:20%") as ensemble:
        versions = Counter([(await voting(ensemble))["cnn"] for _ in range(20)])
        assert versions == {2: 16, 3: 4}
        shutil.rmtree(root / "cnn" / "3")
        await ensemble.rollout.look()
        assert tried(ensemble, "cnn")[3][0] == "gone"


async def test_load_looks_at_once_and_says_what_is_wrong(root: Path) -> None:
    """Asked for, a good version votes without a look; a bad one is an error, each time, and the old one stays."""
    async with loaded(root) as ensemble:
        publish_model(root, "cnn", Linear(7))
        await ensemble.rollout.load("cnn")
        assert (await voting(ensemble))["cnn"] == 2
        publish_model(root, "cnn", Linear(8))
        (root / "cnn" / "3" / "model.pt").write_bytes(b"altered")
        for _ in range(2):
            with pytest.raises(RolloutError, match=r"^cnn 3: .*sha256 is"):
                await ensemble.rollout.load("cnn")
        assert (await voting(ensemble))["cnn"] == 2
        with pytest.raises(RolloutError, match="no model 'resnet'; there are mlp, cnn, lenet5, gate"):
            await ensemble.rollout.load("resnet")


async def test_what_is_unloaded_votes_again_when_it_is_loaded(root: Path) -> None:
    """Its vote is missing until then, whatever is published; below the quorum nothing can be unloaded."""
    async with loaded(root) as ensemble:
        await ensemble.rollout.unload("cnn")
        publish_model(root, "cnn", Linear(7))
        await ensemble.rollout.look()
        assert await voting(ensemble) == {"mlp": 1, "lenet5": 1}
        assert ensemble.health() == ("degraded", "not voting: cnn")
        with pytest.raises(RolloutError, match="without it 1 models could vote, 2 must"):
            await ensemble.rollout.unload("mlp")
        await ensemble.rollout.load("cnn")
        assert await voting(ensemble) == {"mlp": 1, "cnn": 2, "lenet5": 1}


async def test_what_is_replaced_is_let_go(root: Path) -> None:
    """Once no batch uses it, nothing holds a version that was loaded before, not even the first."""
    async with loaded(root) as ensemble:
        held = [weakref.ref(ensemble.rollout.places["cnn"].voter.model.predict)]
        gc.disable()
        try:
            for seed in (7, 8):
                publish_model(root, "cnn", Linear(seed))
                await ensemble.rollout.look()
                await vote(ensemble)
                assert held[-1]() is None
                held.append(weakref.ref(ensemble.rollout.places["cnn"].voter.model.predict))
        finally:
            gc.enable()


async def test_artifacts_that_are_away_change_nothing(tmp_path: Path) -> None:
    """While the folder is away the loaded versions vote; once it is back, so do those published in it."""
    root, away = publish_three(tmp_path / "artifacts"), tmp_path / "away"
    async with loaded(root) as ensemble:
        publish_model(root, "cnn", Linear(7))
        shutil.move(root, away)
        await ensemble.rollout.look()
        assert await voting(ensemble) == {"mlp": 1, "cnn": 1, "lenet5": 1}
        shutil.move(away, root)
        await ensemble.rollout.look()
        assert (await voting(ensemble))["cnn"] == 2


async def test_health_and_models_tell_of_versions_that_do_not_vote(root: Path) -> None:
    """Both name the canary with its share, and each version that failed with its reason."""
    from httpx import ASGITransport, AsyncClient

    from service.app import create_app

    publish_model(root, "cnn", Linear(7))
    publish_model(root, "mlp", Linear(7))
    (root / "mlp" / "2" / "model.pt").write_bytes(b"altered")
    app = create_app(Settings(artifacts=root, versions="cnn=2:10%", poll_seconds=0))
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://x") as client,
    ):
        await app.state.ensemble.loaded.wait()
        for route in ("/health", "/models"):
            mlp, cnn, lenet5 = (await client.get(route)).json()["models"]
            assert (mlp["version"], mlp["tried"][0]["version"], mlp["tried"][0]["stage"]) == (1, 2, "failed")
            assert "sha256 is" in mlp["tried"][0]["reason"]
            written = json.loads((root / "cnn" / "2" / "manifest.json").read_text())
            assert cnn["version"] == 1
            assert cnn["canary"] == {
                "version": 2,
                "percent": 10,
                "loaded": True,
                "sha256": written["sha256"],
                "reason": None,
            }
            assert (lenet5["tried"], lenet5["canary"]) == ([], None)
