"""python -m benchmarks.peers.install [NAME...]

Installs each peer into .venv-peers/<name>, once; one that cannot be is a line and not the end.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from benchmarks.peers import ENVIRONMENTS

_BORROWED = "borrowed.pth"  # written last: it says that the peer is whole


def install(name: str, requirements: Path) -> str | None:
    """Install one peer; the last line of what went wrong, or None."""
    folder = ENVIRONMENTS / name
    packages = folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    mark, borrowed = packages / _BORROWED, sysconfig.get_path("purelib") + "\n"
    if mark.exists() and mark.stat().st_mtime > requirements.stat().st_mtime:
        mark.write_text(borrowed, "utf-8")  # the repository may have been moved since
        return None
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*pip, "--requirement", str(requirements)], capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    # After the peer's own packages, so that its own versions come first and only what it lacks is borrowed: torch.
    mark.write_text(borrowed, "utf-8")
    return None


def main() -> None:
    """Install those that are named, or all."""
    for requirements in sorted(Path(__file__).parent.glob("requirements-*.txt")):
        name = requirements.stem.removeprefix("requirements-")
        if not sys.argv[1:] or name in sys.argv[1:]:
            problem = install(name, requirements)
            print(f"{name}: " + (f"cannot be installed: {problem}" if problem else "installed"), flush=True)


if __name__ == "__main__":
    main()
