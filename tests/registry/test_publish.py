import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from registry import store
from registry.publish import add, publish
from tests.drafts import draft

FILES = {"model.pt": b"m" * 100_000, "golden.npz": b"g" * 1000, "report/metrics.json": b"{}"}


def test_versions_count_up_and_carry_their_hashes(tmp_path: Path) -> None:
    """Each publish is the next version, and its manifest names the sha256 of every file."""
    first, second = (publish(tmp_path, draft("mlp"), FILES) for _ in range(2))
    assert (first.version, second.version) == (1, 2)
    assert set(first.files) == {"golden.npz", "report/metrics.json"}
    assert store.manifest(tmp_path, "mlp", 2) == second
    assert (tmp_path / "mlp" / "2" / "report" / "metrics.json").read_bytes() == b"{}"


def test_a_file_is_added_once(tmp_path: Path) -> None:
    """The same file may be added again; other content under its name is refused, and nothing is changed."""
    publish(tmp_path, draft("mlp"), FILES)
    manifest = add(tmp_path, "mlp", 1, "model.onnx", b"graph")
    assert set(manifest.files) == {"golden.npz", "model.onnx", "report/metrics.json"}
    before = _contents(tmp_path)
    assert add(tmp_path, "mlp", 1, "model.onnx", b"graph") == manifest == store.manifest(tmp_path, "mlp", 1)
    with pytest.raises(ValueError, match=r"mlp/1/model\.onnx: published with other content"):
        add(tmp_path, "mlp", 1, "model.onnx", b"another")
    assert _contents(tmp_path) == before


def test_what_would_lie_outside_a_version_is_refused(tmp_path: Path) -> None:
    """A file whose path leads out of the version, or a version without a model, is refused unwritten."""
    for files in ({"model.pt": b"", "../evil": b""}, {"model.pt": b"", "/evil": b""}, {"golden.npz": b""}):
        with pytest.raises(ValueError, match=r"evil|needs model\.pt"):
            publish(tmp_path, draft("mlp"), files)
    assert list(tmp_path.iterdir()) == []


def test_triton_reads_the_same_folder(tmp_path: Path) -> None:
    """config.pbtxt parses with Triton's own protobuf and says what the contract says."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    publish(tmp_path, draft("lenet5"), FILES)
    config = text_format.Parse((tmp_path / "lenet5" / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (config.name, config.backend) == ("lenet5", "pytorch")
    assert (config.input[0].name, list(config.input[0].dims)) == ("INPUT__0", [1, 28, 28])
    assert (config.output[0].name, list(config.output[0].dims)) == ("OUTPUT__0", [10])
    assert config.HasField("dynamic_batching")
    assert (tmp_path / "lenet5" / config.output[0].label_filename).read_text().split() == list("0123456789")


@pytest.mark.parametrize("step", range(1, 6))
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """When writing fails, wherever it does, the error is the disk's; the old version stays whole, and no remains."""
    publish(tmp_path, draft("mlp"), FILES)
    before = _contents(tmp_path)
    real = os.fsync
    calls = 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        publish(tmp_path, draft("mlp"), FILES)
    assert _contents(tmp_path) == before


def _contents(root: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def _publish_some(root: Path) -> list[int]:
    return [publish(root, draft("mlp"), FILES).version for _ in range(10)]


def test_trainers_that_publish_at_once_each_get_a_version(tmp_path: Path) -> None:
    """Of forty publishes by four processes none is lost and none overwrites another."""
    with ProcessPoolExecutor(4, mp_context=get_context("forkserver")) as pool:
        taken = [version for versions in pool.map(_publish_some, [tmp_path] * 4) for version in versions]
    assert sorted(taken) == list(range(1, 41)) == store.versions(tmp_path, "mlp")


_KILLED = """
import os, sys, time
from pathlib import Path
from registry.publish import publish
from tests.drafts import draft
steps = 0
def stall(real):
    def call(*args, **kwargs):
        global steps
        steps += 1
        if steps == int(sys.argv[2]):
            print("stalled", flush=True)
            time.sleep(60)
        return real(*args, **kwargs)
    return call
os.fsync = stall(os.fsync)
Path.rename = stall(Path.rename)
publish(Path(sys.argv[1]), draft("mlp"), {"model.pt": b"m" * 100000, "golden.npz": b"g"})
print("published", flush=True)
"""


def test_a_kill_at_any_step_leaves_no_half_version(tmp_path: Path) -> None:
    """Kill -9 before each fsync and rename of a publish leaves the old versions, and no new one that is not whole."""
    publish(tmp_path, draft("mlp"), FILES)
    whole = store.versions(tmp_path, "mlp")
    for step in range(1, 20):
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path), str(step)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        process.kill()
        process.wait()
        process.stdout.close()
        if said == "published":
            break
        for version in store.versions(tmp_path, "mlp"):
            names = {path.name for path in store.version_path(tmp_path, "mlp", version).iterdir()}
            assert {"model.pt", "golden.npz", "manifest.json"} <= names
            assert store.manifest(tmp_path, "mlp", version).version == version
        assert len(store.versions(tmp_path, "mlp")) <= len(whole) + 1
        whole = store.versions(tmp_path, "mlp")
    assert step > 5, "the kills never came between two steps"
    assert said == "published"


def test_remains_of_a_kill_are_removed_an_hour_later(tmp_path: Path) -> None:
    """A publish clears what an old kill left, and leaves alone what another trainer may be writing."""
    old, young = tmp_path / "mlp" / ".staging-old", tmp_path / "mlp" / ".staging-young"
    for path in (old, young):
        path.mkdir(parents=True)
    os.utime(old, (time.time() - 4000,) * 2)
    publish(tmp_path, draft("mlp"), FILES)
    assert not old.exists()
    assert young.exists()
