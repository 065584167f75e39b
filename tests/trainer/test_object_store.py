from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from registry.address import Address
from registry.versions import at
from tests import objectstore
from tests.objectstore import S3
from tests.trainer.conftest import OTHER, TINY, TinyRun
from trainer.__main__ import app


@pytest.fixture(scope="module")
def address(s3: S3, tiny_run: TinyRun) -> Address:
    """What the tiny run published, on a store."""
    assert s3.port
    address = objectstore.bucket("s3")
    objectstore.copy(address, tiny_run.artifacts)
    return address


def command(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_versions_at_an_address_are_listed_and_measured(address: Address, tiny_run: TinyRun, tmp_path: Path) -> None:
    """`models`, `evaluate` and `compare` tell of them what they tell of a folder."""
    for arguments in (
        ("models",),
        ("evaluate", *OTHER),
        ("compare", "mlp", "cnn=1", *OTHER, "--out", tmp_path / "differences.png"),
    ):
        here, there = (command(*arguments, "--artifacts", place) for place in (tiny_run.artifacts, address))
        assert (there.exit_code, there.output) == (0, here.output)


def test_a_version_at_an_address_is_trained_again_and_published_there(address: Address, tmp_path: Path) -> None:
    """`reproduce` reads it by its address and publishes beside it; `weigh` publishes both again."""
    done = command("reproduce", address.below("mlp", 1), *OTHER, "--artifacts", address, "--runs", tmp_path)
    assert done.exit_code == 0, done.output
    assert f"published {address}/mlp/2" in done.output.splitlines()
    assert at(address).manifest("mlp", 2).recipe["name"] == "tiny"
    done = command("weigh", address.below("mlp", 2), address.below("cnn", 1), *OTHER, "--artifacts", address)
    assert done.exit_code == 0, done.output
    assert (at(address).numbers("mlp"), at(address).numbers("cnn")) == ([1, 2, 3], [1, 2])
    assert at(address).open("mlp", 3).model == at(address).open("mlp", 2).model


def test_nothing_is_trained_that_is_there(address: Address) -> None:
    """`train --if-missing` finds whole versions at an address."""
    done = command("train", "--recipe", TINY, *OTHER, "--if-missing", "--artifacts", address)
    assert (done.exit_code, "nothing to train" in done.output) == (0, True), done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("models", "--artifacts", "ftp://bucket"), "--artifacts: ftp:// is none of s3://"),
        (("models", "--artifacts", "s3://no-such-bucket/prefix"), "no-such-bucket/prefix: there is no such bucket"),
        (("train", "--recipe", TINY, *OTHER, "--artifacts", "s3://no-such-bucket/prefix"), "there is no such bucket"),
        (("evaluate", *OTHER, "--artifacts", "memory://empty/prefix"), "memory://empty/prefix holds no version yet"),
        (("reproduce", "s3://bucket/prefix", *OTHER), "not a version's address, like s3://BUCKET/PREFIX/cnn/1"),
        (("reproduce", "ftp://bucket/mlp/1", *OTHER), "ftp:// is none of"),
        (("onnx", "s3://bucket/prefix/mlp/1"), "not a version's folder"),
    ],
)
@pytest.mark.usefixtures("s3")
def test_an_address_that_cannot_be_is_told(arguments: tuple[object, ...], told: str) -> None:
    """Bad addresses end with status 2 and one line, before anything is trained."""
    done = command(*arguments)
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_extra_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what speaks to the store, the line is the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    done = command("models", "--artifacts", "s3://bucket/prefix")
    assert (done.exit_code, "pip install 'digitvote[s3]'" in done.stderr) == (2, True), done.output


def test_a_store_that_goes_while_a_model_is_trained_is_told_how_to_go_on(s3: S3, address: Address) -> None:
    """What was trained is not lost: the error says that --resume publishes it."""
    from registry.objects import StoreError
    from tests.drafts import draft
    from trainer.job import _publish

    with s3.down(), pytest.raises(StoreError, match="then --resume publishes without training again"):
        _publish(address, draft("mlp"), {"model.pt": b""})
