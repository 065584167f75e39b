"""Where versions lie: a folder, or an address on an object store, like s3://bucket/prefix."""

import hashlib
import importlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Scheme:
    module: str  # that fsspec takes for it
    package: str  # what pip is told to install


SCHEMES = {
    "s3": _Scheme("s3fs", "digitvote[s3]"),
    "gs": _Scheme("gcsfs", "digitvote[gcs]"),
    "az": _Scheme("adlfs", "digitvote[azure]"),
    "memory": _Scheme("fsspec", "fsspec"),
}
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/(/?)(.*)", re.DOTALL)
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]*(/[A-Za-z0-9._=+-]+)*")


class AddressError(ValueError):
    """An address that versions cannot lie at; the message says what is wrong, and shows no credentials."""


@dataclass(frozen=True)
class Address:
    """A bucket and a prefix in it, below which versions lie as they do in a folder."""

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def bucket(self) -> str:
        """The bucket's name; Azure calls it a container."""
        return self.path.partition("/")[0]

    @property
    def slug(self) -> str:
        """A folder's name that is this address's alone."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()[:12]
        return f"{self.scheme}-{self.bucket}-{digest}"

    def below(self, *names: object) -> "Address":
        """The address of what lies below this one."""
        return Address(self.scheme, "/".join((self.path, *map(str, names))))


Location = Path | Address


def locate(text: str | Path | Address) -> Location:
    """The folder or the address that a text names.

    Raises:
        AddressError: if it has a scheme that is not known, no bucket, or more than a bucket and a prefix.
    """
    if not isinstance(text, str):
        return text
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return Path(text)
    scheme, slash, path = found[1].lower(), found[2], found[3].rstrip("/")
    if scheme not in SCHEMES:
        raise AddressError(f"{scheme}:// is none of {', '.join(f'{each}://' for each in SCHEMES)}, or a folder")
    if not slash or not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        wanted = f"{scheme}://BUCKET/PREFIX, of letters, digits and . _ = + - alone"
        raise AddressError(f"an address is {wanted}; credentials are given as the store's own SDK takes them")
    return Address(scheme, path)


def check_installed(address: Address) -> None:
    """Import what speaks to the store of an address.

    Raises:
        AddressError: if it is not installed, with the command that does it.
    """
    scheme = SCHEMES[address.scheme]
    try:
        for module in dict.fromkeys(("fsspec", scheme.module)):
            importlib.import_module(module)
    except ImportError as error:
        raise AddressError(f"{address.scheme}:// needs {error.name}: pip install '{scheme.package}'") from error
