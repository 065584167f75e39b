"""Who may import whom: the arrows of docs/architecture.md."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

FORBIDDEN = {
    "registry": {"imaging", "trainer", "service", "torchvision", "matplotlib", "fastapi"},
    "imaging": {"trainer", "service", "torch", "torchvision", "matplotlib", "fastapi", "starlette"},
    "trainer": {"service", "fastapi", "starlette"},
    "service": {"trainer", "torchvision", "matplotlib"},
}
MODULES = [path for package in FORBIDDEN for path in sorted((ROOT / package).rglob("*.py"))]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_packages_import_along_the_arrows(path: Path) -> None:
    """The trainer and the service import registry and imaging and never each other; neither of these imports them."""
    package = path.relative_to(ROOT).parts[0]
    assert not {name.split(".")[0] for name in _imported(path)} & FORBIDDEN[package]


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_torch_jit_is_called_in_one_place(path: Path) -> None:
    """registry/torchscript.py holds every use of torch.jit."""
    if path.name == "torchscript.py":
        return
    attributes = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute))
    assert not [node for node in attributes if ast.unparse(node).startswith("torch.jit")]
    assert not [name for name in _imported(path) if name.startswith("torch.jit")]


def test_every_package_is_installed() -> None:
    """pyproject.toml names each package there is, and no other: an image would lack what it does not name."""
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in MODULES if path.name == "__init__.py"}
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert named == sorted(found)
