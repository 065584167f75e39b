"""Objects below an address: listed, read, put and removed by fsspec, each within a time."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.address import Address, check_installed
from registry.errors import ArtifactError

_SECONDS = 30  # one object, there or back
_LISTING_SECONDS = 10
_MISSING = "there is no such bucket"
_REFUSED = (409, 412)  # HTTP's, to a write that is to make an object: another writes it now, or there is one
# A store that does not answer is told of within the times above: fsspec and the SDKs would go on for minutes.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 1}}}
}
_RETRIES = 2
# What is wrong is told by StoreError, once; some of them write signed headers at their debug level.
_TALKATIVE = ("adlfs", "aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google", "msal", "s3fs")


class StoreError(ArtifactError):
    """An object store that does not answer, or not as it should; the message names the address and why."""


@dataclass(frozen=True)
class Entry:
    """One object in a listing."""

    size: int
    tag: str  # another once the content is
    written: float  # in seconds since 1970, by the store's clock


class Objects:
    """What lies below an address; keys are relative to it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._opened: Any = None

    def list(self) -> dict[str, Entry]:
        """Every object by its key.

        Raises:
            StoreError: if the store does not answer, or has no such bucket.
        """
        with self._errors_named("cannot be listed"):
            try:
                found = self._call("find", self.address.path, detail=True, seconds=_LISTING_SECONDS)
            except FileNotFoundError as error:
                raise StoreError(f"{self.address}: {_MISSING}") from error
            if not found and self.address.scheme == "az" and not self._call("exists", self.address.bucket):
                raise StoreError(f"{self.address}: {_MISSING}")  # which adlfs lists as an empty one
            begin = f"{self.address.path}/"
            names = ((name.lstrip("/"), told) for name, told in found.items())
            return {name.removeprefix(begin): _entry(told) for name, told in names if name.startswith(begin)}

    def get(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: if there is none.
            StoreError: if the store does not answer.
        """
        with self._errors_named(f"{key} cannot be read"):
            content: bytes = self._call("cat_file", f"{self.address.path}/{key}")
            return content

    def put(self, key: str, content: bytes, *, create: bool = False) -> None:
        """Write an object; `create` asks the store to refuse where there is one.

        Raises:
            FileExistsError: if there is one, or another is being written, and `create` was asked for.
            StoreError: if the store does not answer, has no such bucket or allows no writing.
        """
        with self._errors_named(f"{key} cannot be written"):
            try:
                self._call("pipe_file", f"{self.address.path}/{key}", content, mode="create" if create else "overwrite")
            except FileNotFoundError as error:
                raise StoreError(f"{self.address}: {_MISSING}") from error
            except OSError as error:
                if create and _status(error) in _REFUSED:
                    raise FileExistsError(f"{self.address}/{key}") from error
                raise

    def written(self, key: str) -> float:
        """When an object was written, in seconds since 1970 by the store's clock.

        Raises:
            StoreError: if there is none, or the store does not answer.
        """
        with self._errors_named(f"{key} cannot be looked at"):
            try:
                return _entry(self._call("info", f"{self.address.path}/{key}")).written
            except FileNotFoundError as error:
                raise StoreError(f"{self.address}/{key}: it was removed by another") from error

    def remove(self, key: str) -> None:
        """Remove an object, if it is there.

        Raises:
            StoreError: if the store does not answer, or allows no removing.
        """
        with self._errors_named(f"{key} cannot be removed"):
            try:
                self._call("rm_file", f"{self.address.path}/{key}")
            except FileNotFoundError:
                return

    def _call(self, name: str, *arguments: object, seconds: float = _SECONDS, **options: object) -> Any:
        if self._opened is None:
            self._opened = _open(self.address)
        timeout = {"timeout": seconds} if self._opened.async_impl else {}
        return getattr(self._opened, name)(*arguments, **options, **timeout)

    @contextmanager
    def _errors_named(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ArtifactError, FileExistsError, FileNotFoundError):
            raise
        except Exception as error:  # the SDKs' own errors have no other base
            raise StoreError(f"{self.address}: {what}: {_reason(error)}") from error


def _open(address: Address) -> Any:
    check_installed(address)
    import fsspec  # type: ignore[import-untyped]

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    options = _OPTIONS.get(address.scheme, {})
    opened = fsspec.filesystem(address.scheme, use_listings_cache=False, **options)
    if hasattr(opened, "retries"):
        opened.retries = _RETRIES
    return opened


def _entry(told: dict[str, Any]) -> Entry:
    # S3's, Azure's and Google's names, then memory's.
    tag = next((str(told[name]) for name in ("ETag", "etag", "created") if told.get(name)), "")
    written = next(
        (told[name] for name in ("LastModified", "last_modified", "updated", "created") if name in told), None
    )
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    seconds = written.timestamp() if isinstance(written, datetime) else written
    return Entry(int(told["size"]), tag, time.time() if seconds is None else float(seconds))


def _status(error: OSError) -> int | None:
    """The HTTP status that S3's SDK was answered by: s3fs knows a refusal by its code and condition as AWS has them."""
    answer: dict[str, Any] = getattr(error.__cause__, "response", None) or {}
    status: int | None = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def _reason(error: Exception) -> str:
    """What went wrong in a line, without what stands behind a question mark: signatures do."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    lines = str(error).strip().splitlines()
    return re.sub(r"\?\S+", "?…", lines[0])[:300] if lines else type(error).__name__
