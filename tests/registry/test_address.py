import sys
from pathlib import Path

import pytest

from registry.address import Address, AddressError, check_installed, locate


def test_an_address_is_a_scheme_a_bucket_and_a_prefix() -> None:
    """What begins with a scheme is an address, written in one way; all else is a folder."""
    assert locate("s3://bucket/some/prefix/") == Address("s3", "bucket/some/prefix")
    assert str(locate("S3://bucket/a=b/c+d")) == "s3://bucket/a=b/c+d"
    assert locate("gs://bucket") == Address("gs", "bucket")
    for folder in ("artifacts", "/srv/artifacts", "../s3", "./s3:x"):
        assert locate(folder) == Path(folder)
    assert locate(Path("s3:/bucket")) == Path("s3:/bucket")
    assert Address("s3", "bucket/a").slug != Address("s3", "bucket/b").slug


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3:/bucket/prefix", "s3://bucket/../other", "s3://bucket/a b", "s3://bucket/p?versionId=1", "gs:///p"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """An address without a bucket, or with more than a bucket and a plain prefix, is told how to be written."""
    with pytest.raises(AddressError, match="BUCKET/PREFIX"):
        locate(text)


def test_an_unknown_scheme_is_told_which_there_are() -> None:
    """A scheme of no store is refused with the list of those that are known."""
    with pytest.raises(AddressError, match=r"ftp:// is none of s3://, gs://, az://, memory://"):
        locate("ftp://bucket/prefix")


def test_credentials_in_an_address_are_refused_and_not_shown() -> None:
    """A key in an address is no way to give one, and the error does not repeat it."""
    with pytest.raises(AddressError, match="credentials are given as the store's own SDK takes them") as error:
        locate("s3://AKIA:secret@bucket/prefix")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("s3", "s3fs", "digitvote[s3]"),
        ("gs", "gcsfs", "digitvote[gcs]"),
        ("az", "adlfs", "digitvote[azure]"),
        ("memory", "fsspec", "fsspec"),
    ],
)
def test_an_extra_that_is_missing_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, scheme: str, module: str, package: str
) -> None:
    """Without what speaks to a store, the error is the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AddressError) as error:
        check_installed(Address(scheme, "bucket"))
    assert f"pip install '{package}'" in str(error.value)
