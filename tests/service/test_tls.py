import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service import tls
from service.settings import Settings, SettingsError
from tests.support import ROOT, drawing, encoded, serving

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")


def certificate(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A new certificate of 127.0.0.1, signed by itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"]
    command += ["-subj", "/CN=digitvote", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command, *(options or ("-noenc",))], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_https_by_its_certificate(artifacts: Path, tmp_path: Path, workers: int) -> None:
    """A client that trusts the certificate is answered, one that speaks plain HTTP is not, with several workers too."""
    cert, key = certificate(tmp_path, "a")
    command = ("env", f"TMPDIR={tmp_path}", sys.executable, "-m", "service", "--workers", str(workers))
    with serving(artifacts, command=command, tls_cert=cert, tls_key=key) as server:
        assert server.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=cert)
        answer = httpx.post(f"{server.url}/predict", files={"file": encoded(drawing())}, verify=trust)
        assert answer.status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url.replace("https", "http"))


def test_the_client_is_told_whom_to_trust(artifacts: Path, tmp_path: Path) -> None:
    """`service predict` says that the certificate is not trusted and how it is; with SSL_CERT_FILE it goes on."""
    cert, key = certificate(tmp_path, "a")
    picture = tmp_path / "digit.png"
    picture.write_bytes(encoded(drawing()))
    with serving(artifacts, tls_cert=cert, tls_key=key) as server:
        command = [sys.executable, "-m", "service", "predict", str(picture), "--url", server.url]
        for trusted, status, words in ((None, 2, "SSL_CERT_FILE"), (cert, 0, "1 read, 0 failed")):
            environment = os.environ | ({"SSL_CERT_FILE": str(trusted)} if trusted else {})
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
            assert done.returncode == status, done.stderr
            assert words in done.stderr


def test_a_pem_file_may_hold_both(tmp_path: Path) -> None:
    """With the key behind the certificate DIGITVOTE_TLS_CERT alone is enough; without either there is no TLS."""
    cert, key = certificate(tmp_path, "a")
    cert.write_text(cert.read_text() + key.read_text())
    assert tls.files(Settings(tls_cert=cert)) == {"ssl_certfile": cert}
    assert tls.files(Settings()) == {}


def _absent(folder: Path) -> tuple[Path, Path]:
    return certificate(folder, "a")[0], folder / "none.key"


def _of_another(folder: Path) -> tuple[Path, Path]:
    return certificate(folder, "a")[0], certificate(folder, "b")[1]


def _no_pem(folder: Path) -> tuple[Path, Path]:
    (folder / "no.pem").write_text("no certificate")
    return folder / "no.pem", certificate(folder, "a")[1]


def _with_a_password(folder: Path) -> tuple[Path, Path]:
    return certificate(folder, "a", "-passout", "pass:secret")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_absent, r"DIGITVOTE_TLS_KEY='.*none.key': No such file"),
        (_of_another, r"DIGITVOTE_TLS_CERT='.*a.pem': .*KEY_VALUES_MISMATCH"),
        (_no_pem, r"DIGITVOTE_TLS_CERT='.*no.pem': .* PEM certificate"),
        (_with_a_password, "cannot be used. Take .* key without a password"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, make: Callable[[Path], tuple[Path, Path]], words: str
) -> None:
    """Before anything is served, with the setting and what is wrong with it; nobody is asked for a password."""
    cert, key = make(tmp_path)
    with pytest.raises(SettingsError, match=words):
        tls.files(Settings(tls_cert=cert, tls_key=key))
