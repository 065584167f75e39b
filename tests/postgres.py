"""A PostgreSQL of the tests' own: a new cluster in a folder of its own, on a free port, with a password."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

PASSWORD = "kept-from-all-output"
_PROGRAMS = ("initdb", "postgres", "pg_isready")
_USER = "postgres"  # Debian's; initdb refuses root


def programs() -> Path | None:
    """Where initdb and postgres are, which Debian keeps off PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path(found).parent] if (found := shutil.which("postgres")) else []
    return next((folder for folder in folders if all((folder / name).exists() for name in _PROGRAMS)), None)


@contextmanager
def server() -> Iterator[str]:
    """A database's address, as SQLAlchemy has it, while the server runs."""
    found = programs()
    assert found
    user = _USER if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        password = Path(folder) / "password"
        password.write_text(PASSWORD)
        if user:
            for path in (folder, password):
                shutil.chown(path, user)
        data, port = Path(folder) / "data", free_port()
        made: list[str | Path] = [
            found / "initdb",
            "-D",
            data,
            "-U",
            "tuner",
            "-A",
            "scram-sha-256",
            "--pwfile",
            password,
            "--no-sync",
        ]
        subprocess.run(made, user=user, cwd=folder, check=True, capture_output=True)
        told = ["-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([found / "postgres", "-D", data, *told], user=user, cwd=folder, stderr=log)
        try:
            ready: list[str | Path] = [found / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "60"]
            for _ in range(300):  # it answers at once where nothing listens yet
                if process.poll() is not None or not subprocess.run(ready, capture_output=True).returncode:
                    break
                _wait(process)
            assert process.poll() is None, (Path(folder) / "log").read_text()
            yield f"postgresql+psycopg://tuner:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment, or until a process has ended."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return
