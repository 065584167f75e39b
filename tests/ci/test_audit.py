import os
import subprocess
import sys
import tomllib

from tests.support import ROOT


def test_without_its_database_the_audit_says_so_and_passes() -> None:
    """Where nothing can be reached, as behind a proxy that is not there, one line says that it was skipped."""
    away = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "PYTHON": sys.executable}
    without = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    done = subprocess.run([ROOT / ".ci" / "audit"], env={**without, **away}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("audit skipped: ")
    assert done.stdout.count("\n") == 1


def test_ci_audits() -> None:
    """What CI runs holds the audit, and its tool is an extra of the project."""
    assert "make audit" in (ROOT / ".ci" / "run").read_text().splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(each.startswith("pip-audit") for each in extras["audit"])
