"""python -m tests.registry.killed_bucket ADDRESS

Publishes over and over, killed each time before a later call of the store than the last time. Says so in a line each
time, and goes on once it is told to.
"""

import os
import signal
import sys
from typing import Any

from registry.address import Address, check_installed, locate
from registry.objects import Objects
from registry.versions import at
from tests.drafts import draft
from tests.registry.killed import FILES


def publish(address: Address, last: int) -> None:
    """Publish a version, killed at a step."""
    real, left = Objects._call, [last]

    def call(objects: Objects, name: str, *arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(objects, name, *arguments, **options)

    Objects._call = call  # type: ignore
    at(address).publish(draft("mlp"), FILES)


def killed(address: Address, last: int) -> bool:
    """Whether a publish was killed at this step, or had come to its end before."""
    process = os.fork()
    if not process:
        publish(address, last)
        os._exit(0)
    return os.waitpid(process, 0)[1] == signal.SIGKILL


def main() -> None:
    """Kill and tell."""
    address = locate(sys.argv[1])
    assert isinstance(address, Address)
    check_installed(address)  # imported once, without a thread yet
    step = 1
    while killed(address, step):
        print(f"killed at step {step}", flush=True)
        sys.stdin.readline()
        step += 1


if __name__ == "__main__":
    main()
