import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from registry import disk, store, triton
from registry.address import Address
from registry.bucket import CLAIM, Bucket
from registry.errors import ArtifactError
from registry.objects import Objects, StoreError
from registry.versions import at
from tests import objectstore
from tests.drafts import draft
from tests.objectstore import S3
from tests.registry.killed import FILES
from tests.support import ROOT

WHOLE = {f"mlp/1/{name}" for name in (*FILES, "manifest.json")}


def test_versions_count_up_and_carry_their_hashes(address: Address) -> None:
    """Each publish is the next version, laid out as in a folder, and a reader gets what was published."""
    versions = at(address)
    assert (versions.models(), versions.numbers("mlp")) == ([], [])
    first, second = (versions.publish(draft("mlp"), FILES) for _ in range(2))
    versions.publish(draft("gate"), FILES)
    assert (first.version, second.version) == (1, 2)
    assert (versions.models(), versions.numbers("mlp"), versions.numbers("gate")) == (["mlp"], [1, 2], [1])
    assert versions.manifest("mlp", 2) == second
    assert versions.open("mlp", 2).model == FILES["model.pt"]
    assert second.files["golden.npz"] == hashlib.sha256(FILES["golden.npz"]).hexdigest()
    found = objectstore.keys(address)
    assert found > WHOLE
    assert not [key for key in found if store.STAGING in key], "the claim goes once the manifest is there"
    assert objectstore.raw(address.scheme).cat_file(f"{address.path}/mlp/config.pbtxt") == triton.config("mlp").encode()


def test_the_manifest_is_put_last(s3: S3) -> None:
    """A claim comes first, then every object, then the manifest; only the claim is removed after that."""
    address = objectstore.bucket("s3")
    s3.requests.clear()
    at(address).publish(draft("mlp"), FILES)
    begin = f"/{address.path}/mlp/1/"
    changes = [
        (method, path.removeprefix(begin))
        for method, path in s3.requests
        if begin in path and method in ("PUT", "DELETE")
    ]
    assert changes == [
        ("PUT", CLAIM),
        *(("PUT", name) for name in FILES),
        ("PUT", "manifest.json"),
        ("DELETE", CLAIM),
    ]


def test_a_number_that_is_claimed_is_left_to_its_trainer(address: Address) -> None:
    """While another has claimed the next number, or published it since, one takes the number after it."""
    objects, bucket = Objects(address), Bucket(address)
    bucket.publish(draft("mlp"), FILES)
    with pytest.raises(FileExistsError):
        objects.put("mlp/1/manifest.json", b"another", create=True)
    objects.put(f"mlp/2/{CLAIM}", b"another", create=True)
    assert bucket.publish(draft("mlp"), FILES).version == 3
    assert not bucket._publish(bucket.manifest("mlp", 3), FILES), "published since the numbers were listed"
    assert at(address).numbers("mlp") == [1, 3]
    assert at(address).open("mlp", 3).model == FILES["model.pt"]


_CONFLICT = (
    "409 Conflict",
    b"<Error><Code>ConditionalRequestConflict</Code><Message>Busy.</Message></Error>",
)
_ALIKE = ("412 Precondition Failed", b"<Error><Code>PreconditionFailed</Code><Message>It is there.</Message></Error>")


@pytest.mark.parametrize("refusal", [_CONFLICT, _ALIKE, ("412 Precondition Failed", b"")], ids=["aws", "alike", "bare"])
@pytest.mark.parametrize("name", [CLAIM, "manifest.json"])
def test_a_refusal_of_whatever_form_is_not_the_end(
    s3: S3, monkeypatch: pytest.MonkeyPatch, name: str, refusal: tuple[str, bytes]
) -> None:
    """AWS's 409, or a 412 without what AWS says there: with another's object there the next number is taken."""
    address = objectstore.bucket("s3")

    def publish_other(method: str, path: str) -> tuple[str, bytes] | None:
        if (method, path) != ("PUT", f"/{address.path}/mlp/1/{name}"):
            return None
        monkeypatch.setattr(s3, "instead", lambda *_: None)
        objectstore.write(address, f"mlp/1/{name}", b"another's")
        return refusal

    monkeypatch.setattr(s3, "instead", publish_other)
    assert Bucket(address).publish(draft("mlp"), FILES).version == 2
    assert objectstore.raw("s3").cat_file(f"{address.path}/mlp/1/{name}") == b"another's"


@pytest.mark.parametrize("name", [CLAIM, "manifest.json"])
def test_a_write_that_is_refused_for_one_that_came_to_nothing_is_tried_again(
    s3: S3, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """After AWS's 409, with no object there, the number is taken all the same."""
    address = objectstore.bucket("s3")
    wanted = ("PUT", f"/{address.path}/mlp/1/{name}")
    monkeypatch.setattr(
        s3, "instead", lambda *asked: _CONFLICT if asked == wanted and s3.requests.count(wanted) == 1 else None
    )
    assert Bucket(address).publish(draft("mlp"), FILES).version == 1
    assert s3.requests.count(wanted) == 2


def test_a_wrong_clock_clears_nothing_away(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine's clock is hours ahead of the store's, what another is publishing stays."""
    objects, bucket = Objects(address), Bucket(address)
    objects.put(f"mlp/1/{CLAIM}", b"another", create=True)
    objects.put("mlp/1/model.pt", b"another's")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 7200)
    assert bucket.publish(draft("mlp"), FILES).version == 2
    assert objectstore.keys(address) >= {f"mlp/1/{CLAIM}", "mlp/1/model.pt"}


_PUBLISH = """
import sys
from registry.address import locate
from registry.versions import at
from tests.drafts import draft
from tests.registry.killed import FILES
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    model = sys.argv[2].encode() + FILES["model.pt"]
    print(at(locate(sys.argv[1])).publish(draft("mlp"), {**FILES, "model.pt": model}).version, flush=True)
"""


def test_trainers_that_publish_at_once_each_get_a_version(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of nine publishes by three processes, which all ask for one number first, none is lost, and each is whole."""
    address = objectstore.bucket("s3")
    claim, met = f"/{address.path}/mlp/1/{CLAIM}", threading.Barrier(3)

    def meet(method: str, path: str) -> None:
        if (method, path) == ("PUT", claim) and s3.requests.count((method, path)) <= 3:
            met.wait(60)

    monkeypatch.setattr(s3, "instead", meet)
    command = [sys.executable, "-c", _PUBLISH, str(address)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    trainers = [subprocess.Popen([*command, str(number)], **pipes) for number in range(3)]
    for trainer in trainers:
        assert trainer.stdout
        assert trainer.stdout.readline() == "ready\n"
    for trainer in trainers:
        assert trainer.stdin
        trainer.stdin.write("\n")
        trainer.stdin.flush()
    taken = {}
    for number, trainer in enumerate(trainers):
        for version in trainer.communicate(timeout=120)[0].split():
            assert int(version) not in taken
            taken[int(version)] = str(number).encode()
    assert sorted(taken) == at(address).numbers("mlp")
    assert len(taken) == 9
    assert s3.requests.count(("PUT", claim)) >= 3
    for version, whose in taken.items():
        assert at(address).open("mlp", version).model == whose + FILES["model.pt"]


@pytest.mark.usefixtures("s3")
def test_a_trainer_killed_at_every_step_of_a_publish_shows_no_reader_a_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 before each call of the store: readers find whole versions, and no fewer than before."""
    address = objectstore.bucket("s3")
    command = [sys.executable, "-m", "tests.registry.killed_bucket", str(address)]
    kills, whole = 0, list[int]()
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdin
        assert trainer.stdout
        for _ in trainer.stdout:
            kills += 1
            found = at(address).numbers("mlp")
            assert found[: len(whole)] == whole
            for version in found[len(whole) :]:
                assert at(address).open("mlp", version).model == FILES["model.pt"]
            whole = found
            trainer.stdin.write("on\n")
            trainer.stdin.flush()
    assert trainer.returncode == 0
    assert kills > 10
    whole = at(address).numbers("mlp")
    assert any(CLAIM in key for key in objectstore.keys(address)), (
        "the kills left nothing: they came at no step between"
    )
    at(address).publish(draft("mlp"), FILES)
    assert any(CLAIM in key for key in objectstore.keys(address)), "another trainer may be at work there"
    monkeypatch.setattr(disk, "STALE_SECONDS", -1)
    last = at(address).publish(draft("mlp"), FILES).version
    left = {key for key in objectstore.keys(address) if key.count("/") > 1}
    assert not [key for key in left if CLAIM in key]
    assert {int(key.split("/")[1]) for key in left} == {*whole, last - 1, last}, (
        "an hour later only whole versions stay"
    )


def test_what_a_trainer_takes_too_long_for_is_published_under_another_number(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose claim was cleared away as stale, and taken by another, does not put a manifest to the other's objects."""
    slow, other = Bucket(address), Bucket(address)
    real, later = slow.objects.put, {**FILES, "model.pt": b"later"}

    def sleepy(key: str, content: bytes, *, create: bool = False) -> None:
        real(key, content, create=create)
        if key == "mlp/1/golden.npz":
            monkeypatch.setattr(disk, "STALE_SECONDS", -1)
            assert other.publish(draft("mlp"), later).version == 2
            monkeypatch.setattr(disk, "STALE_SECONDS", 3600)
            other._publish(other.manifest("mlp", 2).model_copy(update={"version": 1}), later)

    monkeypatch.setattr(slow.objects, "put", sleepy)
    assert slow.publish(draft("mlp"), FILES).version == 3
    assert [at(address).open("mlp", version).model for version in (1, 2, 3)] == [b"later", b"later", FILES["model.pt"]]


@pytest.mark.parametrize("step", [*range(7), "answer lost"])
def test_a_publish_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, step: int | str) -> None:
    """Where the store fails at any step, the error is its own, old versions stay, and nothing is left of a new one."""
    address = objectstore.bucket("memory")
    Bucket(address).publish(draft("mlp"), FILES)
    before, bucket, calls = objectstore.keys(address), Bucket(address), 0
    real = bucket.objects.put

    def failing(key: str, content: bytes, *, create: bool = False) -> None:
        nonlocal calls
        lost = step == "answer lost" and key.endswith("manifest.json")  # of what was done all the same
        if lost or calls != step:
            real(key, content, create=create)
        if lost or calls == step:
            raise StoreError("the store is out of order")
        calls += 1

    monkeypatch.setattr(bucket.objects, "put", failing)
    with pytest.raises(StoreError, match="out of order"):
        bucket.publish(draft("mlp"), FILES)
    assert objectstore.keys(address) == before


def test_what_no_manifest_names_is_no_version(address: Address, tmp_path: Path) -> None:
    """Strays and versions without a manifest are not listed; a stray beside a version is not copied with it."""
    versions = at(address)
    versions.publish(draft("mlp"), FILES)
    for key in (
        "mlp/2/model.pt",
        "mlp/notes.txt",
        "mlp/03/manifest.json",
        "mlp/1/evil.pt",
        "stray",
        "x/y/z/manifest.json",
    ):
        objectstore.write(address, key, b"stray")
    assert (versions.models(), versions.numbers("mlp")) == (["mlp"], [1])
    Bucket(address).fetch("mlp", 1, tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        *FILES,
        "manifest.json",
    }
    with pytest.raises(ArtifactError, match=r"mlp/2/manifest\.json: there is none"):
        versions.manifest("mlp", 2)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, of the large manifest
def test_damage_is_found_before_anything_is_used(address: Address) -> None:
    """A changed object, an absent one, or a manifest of another version or of none, is refused by its address."""
    versions = at(address)
    versions.publish(draft("mlp"), FILES)
    manifest = objectstore.raw(address.scheme).cat_file(f"{address.path}/mlp/1/manifest.json")
    objectstore.write(address, "mlp/1/report/metrics.json", b"{ }")
    with pytest.raises(ArtifactError, match=rf"{address}/mlp/1/report/metrics\.json: sha256 is"):
        versions.open("mlp", 1)
    objectstore.raw(address.scheme).rm_file(f"{address.path}/mlp/1/report/metrics.json")
    with pytest.raises(ArtifactError, match=r"metrics\.json: the manifest names it, but there is none"):
        versions.open("mlp", 1)
    for content, message in (
        (b"{", "Invalid JSON"),
        (b" " * 2**21, "larger than"),
        (manifest.replace(b'"version": 1', b'"version": 7'), "speaks of mlp 7"),
        (manifest.replace(b"report/metrics.json", b"../../metrics.json"), "not the path of a file within"),
    ):
        objectstore.write(address, "mlp/1/manifest.json", content)
        with pytest.raises(ArtifactError, match=message):
            versions.open("mlp", 1)


def test_a_bucket_that_is_not_there_is_told(address: Address) -> None:
    """Reading from and publishing to a wrong bucket say so, and name the address."""
    if address.scheme == "memory":
        pytest.skip("memory has no buckets")
    wrong = at(Address(address.scheme, f"{address.bucket}-wrong/prefix"))
    for ask in (wrong.models, lambda: wrong.publish(draft("mlp"), FILES)):
        with pytest.raises(
            StoreError, match=rf"{address.scheme}://{address.bucket}-wrong/prefix: there is no such bucket"
        ):
            ask()


def test_a_store_that_is_down_is_told_in_a_line_without_credentials(s3: S3) -> None:
    """Refused connections end in an error of one line that names the address and no key."""
    address = objectstore.bucket("s3")
    at(address).publish(draft("mlp"), FILES)
    with s3.down():
        for ask in (at(address).models, Bucket(address).check_writable):
            with pytest.raises(StoreError, match=f"{address}: .*cannot be") as error:
                ask()
            assert "\n" not in str(error.value)
            assert "digitvote-test" not in str(error.value)
    assert at(address).numbers("mlp") == [1]


def test_a_store_that_hangs_is_given_up(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no answer comes, the listing ends with an error all the same."""
    address = objectstore.bucket("s3")
    monkeypatch.setattr("registry.objects._LISTING_SECONDS", 0.5)
    with s3.hanging(), pytest.raises(StoreError, match="no answer in time"):
        at(address).models()
